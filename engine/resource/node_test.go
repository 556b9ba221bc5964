package resource

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestSplitDocuments(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{""}},
		{"one", "a: b\n", []string{"a: b\n"}},
		{"two", "a\n---\nb\n", []string{"a\n", "---\nb\n"}},
		{"separator first", "---\na\n--- # c\nb", []string{"---\na\n", "--- # c\nb"}},
		{"PEM is no separator", "a: |\n  x\n-----BEGIN\n", []string{"a: |\n  x\n-----BEGIN\n"}},
		{"indented is content", "a: |\n  ---\n  b\n", []string{"a: |\n  ---\n  b\n"}},
		{"carriage returns", "a\r\n---\r\nb\r\n", []string{"a\r\n", "---\r\nb\r\n"}},
		{"empty documents", "---\n---\n", []string{"---\n", "---\n"}},
	} {
		var got []string
		lines := 0
		for _, d := range splitDocuments([]byte(c.text)) {
			got = append(got, string(d.text))
			if d.firstLine != lines {
				t.Errorf("%s: %q begins after %d lines, want %d", c.name, d.text, d.firstLine, lines)
			}
			lines += strings.Count(string(d.text), "\n")
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func parse(t testing.TB, text string) *node {
	t.Helper()
	n, err := parseDocument(splitDocuments([]byte(text))[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNodeKnowsLinesAndText(t *testing.T) {
	n := parse(t, "# comment\na: 017\nb:\n  - yes\n  - 1.10\n  - ~\n  - &x {c: 'd'}\n  - *x\ne: 2024-01-01\n")
	for _, c := range []struct {
		path string
		line int
		kind nodeKind
		text string
	}{
		{"a", 2, otherScalarNode, "017"},
		{"b", 4, sequenceNode, ""},
		{"b[0]", 4, otherScalarNode, "yes"},
		{"b[1]", 5, otherScalarNode, "1.10"},
		{"b[2]", 4, nullNode, ""},
		{"b[3].c", 7, stringNode, "d"},
		{"b[4].c", 7, stringNode, "d"},
		{"e", 9, otherScalarNode, "2024-01-01"},
		{"b[3].nothing", 7, mappingNode, ""},
		{"b[9]", 4, sequenceNode, ""},
	} {
		got := n.at(c.path)
		if got.line != c.line || got.kind != c.kind || got.text != c.text {
			t.Errorf("%s is line %d, kind %v, text %q; want %d, %v, %q", c.path, got.line, got.kind, got.text, c.line, c.kind, c.text)
		}
	}
}

func TestSyntaxErrorsSayWhereAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		line             int
	}{
		{"bracket", "a: b\nc: [", "is not YAML: did not find expected node content", 2},
		{"duplicate key", "a: 1\nb: 2\na: 3\n", `is not YAML: key "a" already set in map`, 3},
		{"second document without a separator", "a: 1\r---\rb: 2\r", "is not YAML: a second document, which no line feed separates from the first", 0},
		{"text behind the end", "a: 1\n...\nb: 2\n", "is not YAML: did not find expected <document start>", 2},
		{"tag", "a: !python x\n", "the YAML tag !python has no meaning here", 1},
		{"bombs", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n" +
			"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n", "is not YAML: document contains excessive aliasing", 0},
		{"assignment", "x:\n  subject = \"a\"\n  attributes:\n    b: c\n", "is not YAML (mapping values are not allowed in this context)", 2},
	} {
		_, err := parseDocument(splitDocuments([]byte(c.text))[0])
		if err == nil || err.problem != c.want || err.line != c.line {
			t.Errorf("%s: got %+v, want %q in line %d", c.name, err, c.want, c.line)
		}
	}
}

func TestFixAssignment(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`subject = "CN = a"`, `subject: "CN = a"`},
		{`building = 17`, `building: "17"`},
		{`- city=seattle`, `city: "seattle"`},
		{`a 'b' = c`, ""},
		{`subject: "CN = a"`, ""},
		{`= 1`, ""},
		{`a =`, ""},
		{`plain`, ""},
	} {
		if got, _ := fixAssignment(c.in); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.in, got, c.want)
		}
	}
}

// TestJoinSurrogatesKeepsWhatJSONMeans holds the escapes that the YAML parser
// refuses against encoding/json.
func TestJoinSurrogatesKeepsWhatJSONMeans(t *testing.T) {
	for _, text := range []string{
		`{"a": "\ud83d\ude00"}`,
		`{"a": "x\uD83D\uDE00y\u00e9"}`,
		`{"a": "\\ud83d\\ude00"}`,
		`{"a": "\\\ud83d\ude00\""}`,
		`["\ud83d\ude00\ud83d\ude01", "\"\\"]`,
	} {
		var want any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if got := parse(t, text).plain(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestClosest(t *testing.T) {
	fields := []string{"port", "nodePort", "protocol", "authenticationRef", "authorizationRef", "tls"}
	for _, c := range []struct{ in, want string }{
		{"prot", "port"}, {"tsl", "tls"}, {"authenticationref", "authenticationRef"}, {"authorisationRef", "authorizationRef"},
		{"vault", ""}, {"x", ""}, {strings.Repeat("authenticationRef", 5), ""},
	} {
		if got := closest(c.in, fields); got != c.want {
			t.Errorf("%q is taken for %q, want %q", c.in, got, c.want)
		}
	}
}

func TestParseKind(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Kind
	}{
		{"cm", KindConfigMap}, {"configmaps", KindConfigMap}, {"Secret", KindSecret}, {"BROKERLISTENERS", KindBrokerListener},
		{"brokerauthentication.mqttbroker.iotoperations.azure.com", KindBrokerAuthentication}, {"brokerauthorizations.mq.iotoperations.azure.com", KindBrokerAuthorization},
		{"sa", KindServiceAccount}, {"broker", KindBroker}, {"pods", ""}, {"", ""}, {"secrets.mqttbroker.iotoperations.azure.com", ""}, {"broker.example.com", ""},
	} {
		got, err := ParseKind(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q is %q, %v; want %q", c.in, got, err, c.want)
		}
	}
}

// FuzzManifest loads any bytes as a manifest, beside objects that complete it.
// What is loaded must come to the same after it has been written out by the
// Store, and nothing may panic.
func FuzzManifest(f *testing.F) {
	for _, file := range must[[]string](f)(filepath.Glob("testdata/manifests/*.txt")) {
		_, sections := parseSections(string(must[[]byte](f)(os.ReadFile(file))))
		for _, s := range sections {
			if s.name != expectation && !strings.HasPrefix(s.text, "@delete") && !strings.HasPrefix(s.text, "@link") {
				f.Add([]byte(testCertificates(f).expand(f, s.text)))
			}
		}
	}
	f.Add([]byte(threeDocuments))
	certs := testCertificates(f)
	context := []scanned{
		{path: "configmaps/fabrikam-ca", plain: KindConfigMap, data: map[string][]byte{"ca.crt": certs.pem["fabrikam-root"]}},
		{path: "secrets/broker-server-cert", plain: KindSecret, data: map[string][]byte{tlsCertKey: certs.pem["server-cert"], tlsKeyKey: certs.pem["server-key"]}},
	}
	load := func(text []byte) (*reading, *Snapshot) {
		s := &scan{files: append([]scanned{{path: "fragment.yaml", text: text}}, context...)}
		snapshot, _ := s.load(nil)
		again, problems := s.load(snapshot)
		if !reflect.DeepEqual(again.Listeners(), snapshot.Listeners()) {
			panic("loading twice gives other listeners: " + problems.String())
		}
		return s.parse(), snapshot
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first, snapshot := load(text)
		if first.problems.HasErrors() {
			return // some of it could not be told apart, and is lost when written
		}
		var written []byte
		var problems Problems
		for _, o := range first.objects {
			if o.plain {
				continue
			}
			o.normalize()
			n, err := parseDocument(document{text: o.YAML()})
			if err != nil {
				t.Fatalf("%s cannot be read back: %v\n%s", o, err, o.YAML())
			}
			if !reflect.DeepEqual(plainJSON(t, n), plainJSON(t, o.node)) {
				t.Fatalf("%s changed: %v, was %v", o, n.plain(), o.node.plain())
			}
			decodeObject(o, &problems)
			written = append(append(written, "---\n"...), o.YAML()...)
		}
		_, again := load(written)
		if got, want := portsOf(again), portsOf(snapshot); got != want {
			t.Fatalf("written out, it serves\n%s\ninstead of\n%s\nmanifest:\n%s", got, want, written)
		}
	})
}

// plainJSON is the value as JSON has it, in which 1 and 1.0 are the same.
func plainJSON(t *testing.T, n *node) any {
	var v any
	if err := json.Unmarshal(must[[]byte](t)(json.Marshal(n.plain())), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// portsOf describes all that a Snapshot serves.
func portsOf(s *Snapshot) string {
	type served struct {
		Name, State, Reason, Address string
		Methods                      int
		Policy                       any
		TLS                          bool
	}
	var ports []served
	for _, p := range s.ports {
		v := served{Name: p.Name, State: p.State.String(), Reason: p.Reason, Address: p.Address, TLS: p.TLS != nil}
		if p.Authentication != nil {
			v.Methods = len(p.Authentication.X509())
		}
		if p.Authorization != nil {
			v.Policy = p.Authorization.Policy
		}
		ports = append(ports, v)
	}
	text, err := yaml.Marshal(ports)
	if err != nil {
		panic(err)
	}
	return string(text)
}
