package attributefile

import (
	"maps"
	"strings"
	"testing"

	"github.com/weirmq/weir/security"
)

// published is the example of the preview's documentation.
const published = `[root]
subject = "CN = Contoso Root CA Cert, OU = Engineering, C = US"

[root.attributes]
organization = "contoso"

[intermediate]
subject = "CN = Contoso Intermediate CA"

[intermediate.attributes]
city = "seattle"
foo = "bar"

[smart-fan]
subject = "CN = smart-fan"

[smart-fan.attributes]
building = "17"
`

func TestPublishedFileIsRead(t *testing.T) {
	entries, err := Parse([]byte(published))
	if err != nil {
		t.Fatal(err)
	}
	want := []security.X509Entry{ // by name
		{Name: "intermediate", Subject: "CN = Contoso Intermediate CA", Attributes: map[string]string{"city": "seattle", "foo": "bar"}},
		{Name: "root", Subject: "CN = Contoso Root CA Cert, OU = Engineering, C = US", Attributes: map[string]string{"organization": "contoso"}},
		{Name: "smart-fan", Subject: "CN = smart-fan", Attributes: map[string]string{"building": "17"}},
	}
	if len(entries) != len(want) {
		t.Fatalf("%d entries: %+v", len(entries), entries)
	}
	for i, e := range entries {
		if e.Name != want[i].Name || e.Subject != want[i].Subject || !maps.Equal(e.Attributes, want[i].Attributes) {
			t.Errorf("entry %d is %+v, want %+v", i, e, want[i])
		}
	}
}

func TestFileWithoutEntriesGivesNothing(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "comments": "# nobody\n"} {
		if entries, err := Parse([]byte(text)); err != nil || len(entries) != 0 {
			t.Errorf("%s: %v, %v", name, entries, err)
		}
	}
	entries, err := Parse([]byte("[a]\nsubject = \"CN = a\"\n[a.attributes]\n"))
	if err != nil || len(entries) != 1 || entries[0].Attributes == nil {
		t.Errorf("an entry that gives none on purpose: %+v, %v", entries, err)
	}
}

func TestParseRefuses(t *testing.T) {
	const attributes = "[a.attributes]\nx = \"swordfish\"\n"
	for _, row := range []struct{ name, text, want string }{
		{"no subject", "# attributes\n\n[a]\n" + attributes, `line 3: entry "a": has no subject`},
		{"an empty subject", "[a]\nsubject = \"\"\n" + attributes, "has no subject"},
		{"a subject that is none", "[a]\nsubject = \"swordfish\"\n" + attributes, `line 1: entry "a": has a subject that is none; write it as openssl`},
		{"a subject of an unknown type", "[a]\nsubject = \"swordfish = x\"\n" + attributes, "has a subject that is none"},
		{"no attributes", "[a]\nsubject = \"CN = swordfish\"\n", `line 1: entry "a": has no attributes; begin them with [a.attributes]`},
		{"an attribute without a name", "[a]\nsubject = \"CN = a\"\n[a.attributes]\n\"\" = \"swordfish\"\n", "has an attribute without a name"},
		{"the same subject twice", "[a]\nsubject = \"CN=swordfish\"\n" + attributes + "[b]\nsubject = \"CN = swordfish\"\n[b.attributes]\n", `line 5: entry "b": has the same subject as entry "a"`},
		{"the same entry twice", "[a]\nsubject = \"CN = a\"\n[a]\nsubject = \"CN = b\"\n", "line 3"},
		{"an unknown field", "[a]\nsubject = \"CN = a\"\nissuer = \"swordfish\"\n" + attributes, `line 3: entry "a": has a.issuer, which is no field here; an entry has subject and attributes`},
		{"a number for an attribute", "[a]\nsubject = \"CN = a\"\n[a.attributes]\nbuilding = 171717\n", `line 4: entry "a": a.attributes.building is of the type integer, which does not belong there; a text is written in quotes`},
		{"a text without quotes", "[a]\nsubject = \"CN = a\"\n[a.attributes]\norganization = swordfish\n", "line 4"},
		{"a number for a subject", "[a]\nsubject = 171717\n" + attributes, "a.subject is of the type integer"},
		{"a list for a subject", "[a]\nsubject = [\"swordfish\"]\n" + attributes, "a.subject is of the type array"},
		{"attributes below attributes", "[a]\nsubject = \"CN = a\"\n[a.attributes.b]\nx = \"swordfish\"\n", "a.attributes.b is of the type table"},
		{"a field outside of entries", "subject = \"CN = swordfish\"\n", "line 1"},
		{"a list of entries", "[[a]]\nsubject = \"CN = swordfish\"\n", `line 1: entry "a": a is of the type array table`},
		{"not TOML", "{\"a\": \"swordfish\"}", "line 1"},
		{"YAML", "a:\n  subject: swordfish\n", "line 1"},
	} {
		entries, err := Parse([]byte(row.text))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
			continue
		}
		if entries != nil {
			t.Errorf("%s: entries all the same: %+v", row.name, entries)
		}
		for _, secret := range []string{"swordfish", "171717", "struct", "security."} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error has %q in it: %v", row.name, secret, err)
			}
		}
	}
	if _, err := Parse([]byte("[a]\n[b]\n")); err == nil || strings.Count(err.Error(), "has no subject") != 2 {
		t.Errorf("two faults are %v", err)
	}
}

// What Parse accepts is what an X509 method accepts, whatever the bytes.
func FuzzParse(f *testing.F) {
	f.Add([]byte(published))
	f.Add([]byte("a.subject = \"CN = a + OU = b\"\na.attributes = {x = \"y\"}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := Parse(text)
		if err != nil {
			return
		}
		if _, err := security.NewX509(security.X509Config{Entries: entries}); err == nil || strings.Contains(err.Error(), "authorizationAttributes") {
			t.Errorf("Parse accepts %+v, and NewX509 says %v", entries, err)
		}
	})
}
