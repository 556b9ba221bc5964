package security

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected answers in testdata")

// TestPolicies runs the files of testdata/policies. A file is a sequence of
// blocks: a command, its input, a line "----", and what is expected up to the
// next empty line.
//
//	policy     input: a Policy in JSON; answers ok, warnings or errors
//	as         input: requests by the Principal named on the command's line;
//	           answers each with the decision and what gave it
//	explain    the same for one request, answered with the whole Explanation
//
// Each decision is taken by Decide, DecideBytes, Authorize and Explain, which
// must agree.
func TestPolicies(t *testing.T) {
	files, err := filepath.Glob("testdata/policies/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runPolicyFile(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			reportDifference(t, string(text), got)
		})
	}
}

func reportDifference(t *testing.T, want, got string) {
	t.Helper()
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wantLines), len(gotLines)) {
		w, g := "(end of file)", "(end of file)"
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if w != g {
			t.Fatalf("line %d:\n got %s\nwant %s\n(run with -update to accept)", i+1, g, w)
		}
	}
}

// runPolicyFile returns text with the answers as they are.
func runPolicyFile(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	r := policyRunner{t: t}
	for i, block := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			out.WriteByte('\n')
		}
		input, _, isCommand := strings.Cut(block, "\n----")
		out.WriteString(input + "\n")
		if isCommand {
			out.WriteString("----\n" + r.run(input))
		}
	}
	return out.String()
}

type policyRunner struct {
	t      *testing.T
	policy Policy
	table  *Table
}

func (r *policyRunner) run(block string) string {
	var lines []string
	for line := range strings.SplitSeq(block, "\n") {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	command, args, _ := strings.Cut(lines[0], " ")
	input := lines[1:]
	switch command {
	case "policy":
		return r.compile(strings.Join(input, "\n"))
	case "as", "explain":
		var out strings.Builder
		principal := parsePrincipal(r.t, args)
		for _, line := range input {
			e := r.decide(principal, line)
			switch {
			case command == "explain":
				out.WriteString(e.String())
			case e.Decision == Allow:
				fmt.Fprintf(&out, "allow  %-40s rules[%d] %s, %s\n", line, e.Rule, e.Principal, e.Resource)
			default:
				fmt.Fprintf(&out, "deny   %s\n", line)
			}
		}
		return out.String()
	}
	r.t.Fatalf("unknown command %q", command)
	return ""
}

func (r *policyRunner) compile(text string) string {
	r.policy = Policy{}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&r.policy); err != nil {
		r.t.Fatalf("policy %s: %v", text, err)
	}
	table, err := Compile(r.policy)
	r.table = table
	if err != nil {
		return "refused: " + strings.ReplaceAll(err.Error(), "\n", "\nrefused: ") + "\n"
	}
	out := "ok\n"
	for _, w := range table.Warnings() {
		out += "warning: " + w.String() + "\n"
	}
	return out
}

// decide takes one request, such as "publish a/b", by every way there is.
func (r *policyRunner) decide(p *Principal, request string) Explanation {
	r.t.Helper()
	verb, topic, _ := strings.Cut(request, " ")
	action, err := ParseAction(verb)
	if err != nil {
		r.t.Fatalf("request %q: %v", request, err)
	}
	e := Explain(r.policy, p, action, topic)
	grant := r.table.Bind(p)
	authorized, err := r.table.Authorize(context.Background(), p, action, topic)
	if got := grant.Decide(action, topic); got != e.Decision || authorized != got || err != nil ||
		grant.DecideBytes(action, []byte(topic)) != got {
		r.t.Errorf("%s by %+v: Decide says %v, Authorize %v (%v), and Explain\n%v", request, p, got, authorized, err, e)
	}
	return e
}

// parsePrincipal reads CLIENTID [username=NAME] [ATTRIBUTE=VALUE ...]; "-" is
// the empty Client Identifier.
func parsePrincipal(t *testing.T, s string) *Principal {
	t.Helper()
	fields := strings.Fields(s)
	if len(fields) == 0 {
		t.Fatal("a Client Identifier is missing")
	}
	p := &Principal{ClientID: strings.TrimPrefix(fields[0], "-")}
	attributes := map[string]string{}
	for _, f := range fields[1:] {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			t.Fatalf("%q is not name=value", f)
		}
		if name == "username" {
			p.Username = value
		} else {
			attributes[name] = value
		}
	}
	p.Attributes = NewAttributes(attributes)
	return p
}

// firstPolicy returns the first policy in a file of testdata.
func firstPolicy(t testing.TB, file string) Policy {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\npolicy\n")
	policy, _, ok := strings.Cut(rest, "\n----\n")
	var p Policy
	if err := json.Unmarshal([]byte(policy), &p); err != nil || !ok {
		t.Fatalf("%s: %v", file, err)
	}
	return p
}
