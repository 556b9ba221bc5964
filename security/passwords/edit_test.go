package passwords

import (
	"maps"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestEditsLeaveTheRestAsItIs changes a file that somebody has written by hand.
func TestEditsLeaveTheRestAsItIs(t *testing.T) {
	h := hash(t, "p")
	line := "password = \"" + h.Encode() + "\"\n"
	const before, after = "# Our users.\n\n# The first.\n", "# The last, which is quoted.\n"
	a := "[a]\n" + line + "\n[a.attributes]\nx = \"1\" # a comment\n"
	b := "[b]  # that one\n" + line
	c := "[\"c.d\"]\n" + line
	text := before + a + "\n# The second.\n" + b + "\n" + after + c
	put := func(name string, attributes map[string]string) string {
		return string(must[[]byte](t)(Put("users", []byte(text), name, h, attributes)))
	}
	remove := func(name string) string {
		edited, found, err := Remove("users", []byte(text), name)
		if err != nil || !found {
			t.Errorf("removing %s: %v, %v", name, found, err)
		}
		return string(edited)
	}
	for _, row := range []struct{ name, got, want string }{
		{"attributes stay", put("a", nil), strings.Replace(text, " # a comment", "", 1)},
		{"attributes are replaced", put("a", map[string]string{"y z": "\"2\"\n"}), strings.Replace(text, "x = \"1\" # a comment", `"y z" = "\"2\"\u000A"`, 1)},
		{"attributes are removed", put("a", map[string]string{}), strings.Replace(text, "\n[a.attributes]\nx = \"1\" # a comment\n", "", 1)},
		{"attributes are new", put("b", map[string]string{"x": "1"}), strings.Replace(text, b, "[b]\n"+line+"\n[b.attributes]\nx = \"1\"\n", 1)},
		{"a quoted name", put("c.d", nil), text},
		{"a new user", put("e", nil), text + "\n[e]\n" + line},
		{"the first goes", remove("a"), strings.Replace(text, a+"\n", "", 1)},
		{"the second goes", remove("b"), strings.Replace(text, b+"\n", "", 1)},
		{"the last goes", remove("c.d"), strings.Replace(text, c, "", 1)},
	} {
		if row.got != row.want {
			t.Errorf("%s:\n%s\nwant\n%s", row.name, row.got, row.want)
		}
	}
	if got := string(must[[]byte](t)(Put("users", nil, "a", h, nil))); got != "[a]\n"+line {
		t.Errorf("the first user of an empty file:\n%s", got)
	}
	if _, found, err := Remove("users", []byte(text), "x"); found || err != nil {
		t.Errorf("removing nobody: %v, %v", found, err)
	}
}

func TestEditsRefuseWhatTheyCannotTellApart(t *testing.T) {
	line := "password = \"" + hash(t, "p").Encode() + "\"\n"
	for name, text := range map[string]string{
		"a dotted field": "a." + line,
		"inline":         "a = {" + strings.TrimSpace(line) + "}\n",
		"torn apart":     "[a]\n" + line + "[b]\n" + line + "[a.attributes]\n",
	} {
		if _, err := Put("users", []byte(text), "a", hash(t, "q"), nil); err == nil || !strings.Contains(err.Error(), "change it by hand") {
			t.Errorf("%s: put: %v", name, err)
		}
		if _, _, err := Remove("users", []byte(text), "a"); err == nil || !strings.Contains(err.Error(), "change it by hand") {
			t.Errorf("%s: remove: %v", name, err)
		}
		if _, err := Parse("users", []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Put("users", nil, "a\nb", hash(t, "p"), nil); err == nil {
		t.Error("put a name with a line feed")
	}
}

// FuzzEdit puts a user into anything and takes it out again. What was there of
// others must stay, and what was put must be found.
func FuzzEdit(f *testing.F) {
	h := hash(f, "p")
	line := "password = \"" + h.Encode() + "\"\n"
	f.Add("[a]\n"+line+"\n[a.attributes]\nx = \"1\"\n# c\n[b]\n"+line, "a", "k", "v\n\"\\")
	f.Add("", "x.y", "", "")
	f.Add("a."+line+"[b]\n"+line+"[a.attributes]\n", "b", "'", "\x7f")
	f.Fuzz(func(t *testing.T, text, name, key, value string) {
		before, err := Parse("users", []byte(text))
		if err != nil || key == "" || !utf8.ValidString(key) || !utf8.ValidString(value) {
			return
		}
		edited, err := Put("users", []byte(text), name, h, map[string]string{key: value})
		if err != nil {
			return
		}
		after, err := Parse("users", edited)
		if err != nil {
			t.Fatalf("put %q into\n%s\ngives\n%s\nwhich is refused: %v", name, text, edited, err)
		}
		put, ok := after.User(name)
		if got, _ := put.Attributes.Get(key); !ok || put.Hash != h || got != value || put.Attributes.Len() != 1 {
			t.Fatalf("put %q: found %v with %q", name, ok, got)
		}
		_, known := before.User(name)
		if want := before.Len() + 1; !known && after.Len() != want || known && after.Len() != before.Len() {
			t.Fatalf("%d users before, and %d after", before.Len(), after.Len())
		}
		removed, found, err := Remove("users", edited, name)
		if err != nil || !found {
			t.Fatalf("removing %q: %v, %v", name, found, err)
		}
		last, err := Parse("users", removed)
		if err != nil {
			t.Fatalf("removing %q gives\n%s\nwhich is refused: %v", name, removed, err)
		}
		for other, u := range before.users {
			got, ok := last.User(other)
			if other == name {
				if ok {
					t.Fatalf("%q is still there", name)
				}
			} else if !ok || got.Hash != u.Hash || !maps.Equal(maps.Collect(got.Attributes.All()), maps.Collect(u.Attributes.All())) {
				t.Fatalf("%q is no longer what it was", other)
			}
		}
	})
}
