package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weirmq/weir/security/passwords"
)

func users(t *testing.T, file string) *passwords.File {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := passwords.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPasswdAddsChangesAndRemovesUsers(t *testing.T) {
	t.Chdir(t.TempDir())
	const file = "passwords.toml"
	steps := []struct {
		stdin, args, prints    string
		user, attributes, pass string // afterwards
	}{
		{"first\n", "u --attribute floor=1 --attribute site=x", `user "u" added`, "u", "{floor: 1, site: x}", "first"},
		{"other\r\nignored\n", "v", `user "v" added`, "v", "{}", "other"},
		{"second", "u", `user "u" changed`, "u", "{floor: 1, site: x}", "second"},
		{"second", "u --attribute floor=2", `user "u" changed`, "u", "{floor: 2}", "second"},
		{"second", "u --no-attributes", `user "u" changed`, "u", "{}", "second"},
		{"", "v --delete", `user "v" deleted`, "u", "{}", "second"},
	}
	for i, step := range steps {
		args := append([]string{"passwd", file}, strings.Fields(step.args)...)
		if !strings.Contains(step.args, "--delete") {
			args = append(args, "--iterations=1000")
		}
		r := weir(t, step.stdin, args...)
		if r.code != exitOK || r.stdout != step.prints+"\n" || r.stderr != "" {
			t.Fatalf("%s: exit code %d, %q, %q", step.args, r.code, r.stdout, r.stderr)
		}
		u, ok := users(t, file).User(step.user)
		if !ok || u.Attributes.String() != step.attributes || !u.Hash.Matches([]byte(step.pass)) {
			t.Errorf("after %s: %v, attributes %v", step.args, ok, u.Attributes)
		}
		if i == 0 {
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the new file: %v, %v", info.Mode(), err)
			}
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := users(t, file).Len(); n != 1 {
		t.Errorf("%d users, want 1", n)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode of the file was not kept: %v, %v", info.Mode(), err)
	}
}

// whileTyping is a standard input on which something happens before the password
// is there.
type whileTyping struct {
	io.Reader
	happens func()
}

func (w *whileTyping) Read(b []byte) (int, error) {
	if w.happens != nil {
		w.happens()
		w.happens = nil
	}
	return w.Reader.Read(b)
}

func TestPasswdKeepsWhatOthersChangeMeanwhile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, user := range []string{"stays", "goes"} {
		if r := weir(t, "p", "passwd", "passwords.toml", user, "--iterations=1000"); r.code != exitOK {
			t.Fatal(r.stderr)
		}
	}
	in := &whileTyping{strings.NewReader("p"), func() { mustWeir(t, "passwd", "passwords.toml", "goes", "--delete") }}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"passwd", "passwords.toml", "comes", "--iterations=1000"}, in, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	for user, want := range map[string]bool{"stays": true, "goes": false, "comes": true} {
		if _, there := users(t, "passwords.toml").User(user); there != want {
			t.Errorf("%s is there: %v, want %v", user, there, want)
		}
	}
}

// Each has a lock of its own on the directory, as if it were a process.
func TestManyPasswdAtOnceLoseNobody(t *testing.T) {
	t.Chdir(t.TempDir())
	const many = 24
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() {
			user := fmt.Sprint("user", i)
			if r := weir(t, "p", "passwd", "passwords.toml", user, "--iterations=1000"); r.code != exitOK {
				t.Errorf("%s: %s", user, r.stderr)
			}
			if i%2 == 1 {
				if r := weir(t, "", "passwd", "passwords.toml", user, "--delete"); r.code != exitOK {
					t.Errorf("%s: %s", user, r.stderr)
				}
			}
		})
	}
	group.Wait()
	f := users(t, "passwords.toml")
	for i := range many {
		if _, there := f.User(fmt.Sprint("user", i)); there != (i%2 == 0) {
			t.Errorf("user%d is there: %v", i, there)
		}
	}
}

func TestPasswdReplacesWhatALinkLeadsTo(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("real", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("real/passwords.toml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("real", "passwords.toml"), "link.toml"); err != nil {
		t.Fatal(err)
	}
	if r := weir(t, "p", "passwd", "link.toml", "u", "--iterations=1000"); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	if info, err := os.Lstat("link.toml"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
	if n := users(t, "real/passwords.toml").Len(); n != 1 {
		t.Errorf("%d users, want 1", n)
	}
}

func TestPasswdRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("wrong.toml", []byte("[u]\npassword = \"hunter2\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args, stdin, stderr string
		code                int
	}{
		{"new.toml u", "", "the password is empty", exitFailure},
		{"new.toml u", "\nsecond line", "the password is empty", exitFailure},
		{"new.toml u --iterations 999", "p", "want 1000 to 10000000", exitUsage},
		{"new.toml u --attribute x", "p", "want KEY=VALUE", exitUsage},
		{"new.toml u --attribute x=1 --attribute x=2", "p", "x is given twice", exitUsage},
		{"new.toml u --attribute x=1 --no-attributes", "p", "do not go together", exitUsage},
		{"new.toml u --delete --iterations 1000", "p", "do not go together", exitUsage},
		{"new.toml u --delete", "", "no such file", exitFailure},
		{"new.toml u", strings.Repeat("p", 65536), "longer than a Password can be, 65535 bytes", exitFailure},
		{"new.toml", "p", "USER is missing", exitUsage},
		{"wrong.toml u", "hunter3", "line 2: user \"u\": is not a hash", exitFailure},
		{"nowhere/new.toml u", "p", "no such file", exitFailure},
	} {
		r := weir(t, row.stdin, append([]string{"passwd"}, strings.Fields(row.args)...)...)
		if r.code != row.code || !strings.Contains(r.stderr, row.stderr) {
			t.Errorf("%s: exit code %d, %q", row.args, r.code, r.stderr)
		}
		if strings.Contains(r.stdout+r.stderr, "hunter") {
			t.Errorf("%s: the output holds a password: %q", row.args, r.stderr)
		}
	}
	if _, err := os.Stat("new.toml"); !os.IsNotExist(err) {
		t.Errorf("a file was written: %v", err)
	}
	if text, _ := os.ReadFile("wrong.toml"); string(text) != "[u]\npassword = \"hunter2\"\n" {
		t.Errorf("the file was changed: %s", text)
	}
}
