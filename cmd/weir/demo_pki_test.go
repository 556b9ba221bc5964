package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/security/pki"
)

// ensureDemoPKI runs ensure at a moment and returns the names of the pairs it
// made, those that replaced files with an asterisk.
func ensureDemoPKI(t *testing.T, dir string, now time.Time) []string {
	t.Helper()
	var made []string
	p := demoPKI{dir: dir, now: now, note: func(name, reason string) {
		if reason != "" {
			name += "*"
		}
		made = append(made, name)
	}}
	if err := p.ensure(); err != nil {
		t.Fatal(err)
	}
	return made
}

func TestDemoPKIIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	want := []string{"contoso_root_ca", "contoso_intermediate_ca", "mqtts-endpoint",
		"fabrikam_root_ca", "fabrikam_intermediate_ca", "thermostat", "hygrometer", "heater", "lightbulb"}
	if made := ensureDemoPKI(t, dir, time.Now()); !slices.Equal(made, want) {
		t.Errorf("made %q, want %q", made, want)
	}
	if made := ensureDemoPKI(t, dir, time.Now()); len(made) != 0 {
		t.Errorf("made %q again", made)
	}
}

func TestDemoPKIIsCompletedAndRenewed(t *testing.T) {
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, row := range []struct {
		name  string
		spoil func(*testing.T, string)
		later time.Duration
		want  []string
	}{
		{"a leaf is missing", remove("heater.crt", "heater.key"), 0, []string{"heater"}},
		{"a key is missing", remove("heater.key"), 0, []string{"heater*"}},
		{"an intermediate is missing", remove("fabrikam_intermediate_ca.crt", "fabrikam_intermediate_ca.key"), 0,
			[]string{"fabrikam_intermediate_ca"}}, // the old one is in the bundles
		{"a root is missing", remove("fabrikam_root_ca.crt", "fabrikam_root_ca.key"), 0,
			[]string{"fabrikam_root_ca", "fabrikam_intermediate_ca*", "thermostat*", "hygrometer*", "heater*", "lightbulb*"}},
		{"a leaf without its bundle", func(t *testing.T, dir string) {
			leaf := readCertificates(t, filepath.Join(dir, "lightbulb.crt"))[0]
			alone := pki.Leaf{Cert: leaf}
			if err := os.WriteFile(filepath.Join(dir, "lightbulb.crt"), alone.CertPEM(), 0o644); err != nil {
				t.Fatal(err)
			}
		}, 0, []string{"lightbulb*"}},
		{"a file is no PEM", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "mqtts-endpoint.crt"), []byte("cut off"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, 0, []string{"mqtts-endpoint*"}},
		{"the leaves end within the hour", func(*testing.T, string) {}, demoLeafLifetime - 30*time.Minute,
			[]string{"mqtts-endpoint*", "thermostat*", "hygrometer*", "heater*", "lightbulb*"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			now := time.Now()
			ensureDemoPKI(t, dir, now)
			row.spoil(t, dir)
			if made := ensureDemoPKI(t, dir, now.Add(row.later)); !slices.Equal(made, row.want) {
				t.Errorf("made %q, want %q", made, row.want)
			}
			if made := ensureDemoPKI(t, dir, now.Add(row.later)); len(made) != 0 {
				t.Errorf("made %q again", made)
			}
		})
	}
}

func TestDemoPKIKeepsWhatItReplaces(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "contoso_root_ca.key"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := ensureDemoPKI(t, dir, time.Now())
	if !slices.Contains(made, "contoso_root_ca*") {
		t.Errorf("made %q", made)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "contoso_root_ca.key.old"))
	if err != nil || string(kept) != "precious" {
		t.Errorf("kept %q, %v", kept, err)
	}
}

func TestDemoPKIReportsADirectoryItCannotUse(t *testing.T) {
	p := demoPKI{dir: filepath.Join(t.TempDir(), "none"), now: time.Now(), note: func(string, string) {}}
	if err := p.ensure(); err == nil || !strings.Contains(err.Error(), "contoso_root_ca") && !strings.Contains(err.Error(), "none") {
		t.Errorf("err = %v", err)
	}
}
