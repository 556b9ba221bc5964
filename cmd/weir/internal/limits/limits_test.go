package limits

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/engine/resource"
	"github.com/weirmq/weir/tlsstate"
)

var update = flag.Bool("update", false, "rewrite docs/limits.md")

const (
	// root is the directory of the module, from here.
	root = "../../../.."
	// document is what the test writes.
	document = "docs/limits.md"
	// conversations is where tests without a file are.
	conversations = "engine/testdata/sessions/limits.txt"
)

// TestDocumentIsUpToDate compares docs/limits.md with the code and the table;
// -update rewrites it.
func TestDocumentIsUpToDate(t *testing.T) {
	text := write()
	path := filepath.Join(root, document)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != text {
		t.Errorf("%s is stale: run go test ./cmd/weir/internal/limits -update (%v)", document, err)
	}
}

func TestEveryLimitHasARow(t *testing.T) {
	for _, table := range []struct {
		of   reflect.Type
		rows []row
	}{
		{reflect.TypeFor[engine.Limits](), ours},
		{reflect.TypeFor[tlsstate.Limits](), ofHandshakes},
	} {
		for i := range max(table.of.NumField(), len(table.rows)) {
			field, rowField := "none", "none"
			if i < table.of.NumField() {
				field = table.of.Field(i).Name
			}
			if i < len(table.rows) {
				rowField = table.rows[i].field
			}
			if field != rowField {
				t.Fatalf("%v: field %d is %s, and row %d is of %s", table.of, i, field, i, rowField)
			}
		}
	}
	for _, r := range ofListeners {
		if _, ok := reflect.TypeFor[engine.Listener]().FieldByName(r.field); !ok {
			t.Errorf("engine.Listener has no %s", r.field)
		}
	}
}

func all() []row { return append(append(append([]row(nil), ours...), ofHandshakes...), ofListeners...) }

func TestEveryRowHasTestsThatExistAndCountersThatDo(t *testing.T) {
	for _, r := range all() {
		if len(r.tests) == 0 {
			t.Errorf("%s has no test", r.field)
		}
		for _, name := range r.tests {
			file, test := split(name)
			text, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			definition := "\n== " + test
			if strings.HasSuffix(file, ".go") {
				definition = "\nfunc " + test + "(t *testing.T) {"
			}
			if !strings.Contains(string(text)+"\n", definition+"\n") {
				t.Errorf("%s: %s has no %s", r.field, file, test)
			}
		}
		for _, counter := range r.counters {
			if _, ok := reflect.TypeFor[engine.Stats]().FieldByName(counter); !ok {
				t.Errorf("%s: Stats has no %s", r.field, counter)
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "engine/sys.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all() {
		if r.sys != "" && !strings.Contains(string(text), `{"`+r.sys+`", `) {
			t.Errorf("%s: nothing is published to $SYS/broker/%s", r.field, r.sys)
		}
	}
}

// split returns the file and the name of a test.
func split(test string) (file, name string) {
	if file, name, ok := strings.Cut(test, ": "); ok && strings.Contains(file, "/") {
		return file, name
	}
	return conversations, test
}

// TestManifestsSetEachLimit writes a Broker with one field, for each limit, and
// looks at what comes of it.
func TestManifestsSetEachLimit(t *testing.T) {
	for _, r := range ours {
		t.Run(r.field, func(t *testing.T) {
			value, want := "7", "7"
			switch f, _ := reflect.TypeFor[engine.Limits]().FieldByName(r.field); f.Type {
			case reflect.TypeFor[time.Duration]():
				value, want = "7s", "7s"
			case reflect.TypeFor[engine.QueueStrategy]():
				value, want = "DropOldest", "DropOldest"
			}
			limits := load(t, r.manifest, value)
			if got := fmt.Sprint(reflect.ValueOf(limits).FieldByName(r.field)); got != want {
				t.Errorf("%s: %s makes it %s, want %s", r.manifest, value, got, want)
			}
		})
	}
}

// load returns the Limits of a Broker in which the field at path has a value.
func load(t *testing.T, path, value string) engine.Limits {
	t.Helper()
	keys := strings.Split(path, ".")
	spec := strings.Join(keys, ": {") + ": " + value + strings.Repeat("}", len(keys)-1)
	dir := t.TempDir()
	manifest := "apiVersion: mqttbroker.iotoperations.azure.com/v1\nkind: Broker\nmetadata: {name: default}\nspec: {" + spec + "}\n"
	if err := os.WriteFile(filepath.Join(dir, "broker.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	snapshot, problems := resource.Load(dir, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return snapshot.Limits()
}
