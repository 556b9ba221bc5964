package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata with what the commands print now")

// TestTranscripts runs the sessions in testdata/transcripts, each in an empty
// directory, and compares what the commands print with what is written there.
//
//	# a comment
//	$ weir check --config site      a command; \ at the end continues it
//	$ cat > FILE <<END              the lines up to END become a file
//	$ rm FILE ...                     files disappear
//	a line on standard output
//	! a line on standard error
//	[1]                             the exit code, unless it is 0
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			file, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv(configVariable, "")
			t.Chdir(t.TempDir())
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("the session went differently (-update rewrites the file):\n%s", firstDifference(string(want), got))
			}
		})
	}
}

// replay runs the commands of a transcript and returns it with the output
// they had.
func replay(t *testing.T, transcript string) string {
	t.Helper()
	var out strings.Builder
	lines := strings.SplitAfter(transcript, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "#"):
			if i > 0 && !strings.HasPrefix(lines[i-1], "#") {
				out.WriteString("\n")
			}
			out.WriteString(line)
			continue
		case !strings.HasPrefix(line, "$ "):
			continue // output of an earlier run
		}
		out.WriteString(line)
		command := strings.TrimPrefix(line, "$ ")
		for strings.HasSuffix(command, "\\\n") && i+1 < len(lines) {
			i++
			out.WriteString(lines[i])
			command = strings.TrimSuffix(command, "\\\n") + lines[i]
		}
		words := splitWords(t, command)
		stdin := ""
		if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "<<") {
			end := strings.TrimPrefix(words[n-1], "<<")
			words = words[:n-1]
			for i++; i < len(lines); i++ {
				out.WriteString(lines[i])
				if strings.TrimSpace(lines[i]) == end {
					break
				}
				stdin += lines[i]
			}
		}
		out.WriteString(perform(t, words, stdin))
	}
	return out.String()
}

// perform runs one command and returns what a transcript says of it.
func perform(t *testing.T, words []string, stdin string) string {
	t.Helper()
	switch words[0] {
	case "weir":
		r := weir(t, stdin, words[1:]...)
		var b strings.Builder
		b.WriteString(mask(r.stdout))
		for line := range strings.Lines(mask(r.stderr)) {
			b.WriteString("! " + line)
		}
		if r.code != 0 {
			fmt.Fprintf(&b, "[%d]\n", r.code)
		}
		return b.String()
	case "cat":
		if len(words) != 3 || words[1] != ">" {
			t.Fatalf("want cat > FILE, have %q", words)
		}
		writeTestFile(t, words[2], []byte(stdin))
	case "rm":
		for _, file := range words[1:] {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	default:
		t.Fatalf("unknown command %q", words)
	}
	return ""
}

// What differs from run to run: keys, and with them the length of signatures,
// times and ages.
var varying = []struct {
	pattern *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`\d+ bytes`), "# bytes"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`(?m)\b\d+s$`), "AGE"},
	{regexp.MustCompile(`(?m)\b\d+s +([a-z][a-z0-9.:-]*)$`), "AGE   $1"},
	{regexp.MustCompile(`(?s)(-----BEGIN CERTIFICATE-----\n *).*?(\n *-----END)`), "$1...$2"},
}

func mask(s string) string {
	for _, v := range varying {
		s = v.pattern.ReplaceAllString(s, v.stands)
	}
	return s
}

// splitWords splits a command line as a shell does: blanks separate, and
// quotes of either kind keep together.
func splitWords(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\n':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || inWord {
		t.Fatalf("unfinished command line %q", line)
	}
	return words
}

// firstDifference shows where two texts part.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			from := max(0, i-3)
			return fmt.Sprintf("line %d\nwant:\n%s\ngot:\n%s", i+1,
				strings.Join(w[min(from, len(w)):min(i+6, len(w))], "\n"),
				strings.Join(g[min(from, len(g)):min(i+6, len(g))], "\n"))
		}
	}
	return ""
}

// outcome is what one run of the program left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// weir runs the program with the given standard input and command line.
func weir(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	return weirContext(t, t.Context(), stdin, args...)
}

func weirContext(t testing.TB, ctx context.Context, stdin string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, strings.NewReader(stdin), &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// mustWeir runs the program and fails the test unless it succeeds.
func mustWeir(t testing.TB, args ...string) string {
	t.Helper()
	r := weir(t, "", args...)
	if r.code != 0 {
		t.Fatalf("weir %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func writeTestFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
