package codec

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the outcomes in testdata/packets")

// corpusCase is one paragraph of a file in testdata/packets:
//
//	== name | version sender [max=N]
//	hex bytes and "text"   # comment
//	-> outcome
//	=> bytes as encoded again, if they differ
type corpusCase struct {
	name       string
	version    Version
	fromServer bool
	max        uint32
	packet     []byte
	source     string // header and byte lines, as they stand in the file
	outcome    string // the lines below them
}

var versionNames = map[string]Version{"3.1": V31, "3.1.1": V311, "5.0": V5}

// readCorpus returns the cases of testdata/packets by file.
func readCorpus(t testing.TB) map[string][]corpusCase {
	t.Helper()
	files, err := filepath.Glob("testdata/packets/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus in testdata/packets: %v", err)
	}
	corpus := make(map[string][]corpusCase)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, paragraph := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
			corpus[file] = append(corpus[file], parseCorpusCase(t, file, paragraph))
		}
	}
	return corpus
}

func parseCorpusCase(t testing.TB, file, paragraph string) (c corpusCase) {
	t.Helper()
	header, rest, _ := strings.Cut(paragraph, "\n")
	name, options, ok := strings.Cut(strings.TrimPrefix(header, "== "), " | ")
	fields := strings.Fields(options)
	if !ok || len(fields) < 2 {
		t.Fatalf("%s: bad header %q", file, header)
	}
	c.name, c.version, c.fromServer = name, versionNames[fields[0]], fields[1] == "Server"
	if c.version == 0 {
		t.Fatalf("%s: %s: bad version %q", file, name, fields[0])
	}
	if len(fields) > 2 {
		n, err := strconv.ParseUint(strings.TrimPrefix(fields[2], "max="), 10, 32)
		if err != nil {
			t.Fatalf("%s: %s: %v", file, name, err)
		}
		c.max = uint32(n)
	}
	source := []string{header}
	var outcome []string
	for _, line := range strings.Split(rest, "\n") {
		if strings.HasPrefix(line, "->") || strings.HasPrefix(line, "=>") {
			outcome = append(outcome, line)
			continue
		}
		source = append(source, line)
		c.packet = append(c.packet, parseCorpusBytes(t, line)...)
	}
	c.source, c.outcome = strings.Join(source, "\n"), strings.Join(outcome, "\n")
	return c
}

func parseCorpusBytes(t testing.TB, line string) (b []byte) {
	t.Helper()
	for line = strings.TrimSpace(line); line != "" && line[0] != '#'; line = strings.TrimSpace(line) {
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			text, _ := strconv.Unquote(quoted)
			b, line = append(b, text...), line[len(quoted):]
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		decoded, err := hex.DecodeString(word)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		b, line = append(b, decoded...), rest
	}
	return b
}

// run decodes and encodes the packet and says what happened.
func (c *corpusCase) run() string {
	f, size, err := ReadFrame(c.packet, c.max)
	if err != nil {
		return "-> " + describeError(err)
	}
	if size == 0 || size > len(c.packet) {
		return "-> incomplete"
	}
	p, err := decodeAny(c.version, c.fromServer, f)
	if err != nil {
		outcome := "-> " + describeError(err)
		if connect, ok := p.(*Connect); ok {
			outcome += fmt.Sprintf(", to be answered in version %s", connect.Version)
		}
		return outcome
	}
	outcome := "-> " + dump(f.Type, p)
	if extra := len(c.packet) - size; extra > 0 {
		outcome += fmt.Sprintf(" followed by %d bytes", extra)
	}
	if again := appendAny(nil, c.version, f.Type, p); !bytes.Equal(again, c.packet[:size]) {
		outcome += fmt.Sprintf("\n=> %x", again)
	}
	return outcome
}

func describeError(err error) string {
	e := err.(*Error)
	return fmt.Sprintf("%#02x %s: %s [%s]", byte(e.Code), e.Code, e.Detail, e.Clause)
}

func TestCorpusPacketsDecodeAsTheirFilesSay(t *testing.T) {
	for file, cases := range readCorpus(t) {
		var rewritten []string
		for _, c := range cases {
			got := c.run()
			rewritten = append(rewritten, c.source+"\n"+got)
			if got != c.outcome && !*update {
				t.Errorf("%s: %s\ngot  %s\nwant %s", file, c.name, got, c.outcome)
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(strings.Join(rewritten, "\n\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCorpusNamesAreUnique(t *testing.T) {
	seen := make(map[string]string)
	for file, cases := range readCorpus(t) {
		for _, c := range cases {
			if other, ok := seen[c.name]; ok {
				t.Errorf("%s: %q is also in %s", file, c.name, other)
			}
			seen[c.name] = file
		}
	}
}

// eachValidPacket calls f for every packet of the corpus that decodes.
func eachValidPacket(t testing.TB, f func(c corpusCase, frame Frame, packet []byte)) {
	t.Helper()
	for _, cases := range readCorpus(t) {
		for _, c := range cases {
			frame, size, err := ReadFrame(c.packet, c.max)
			if err != nil || size == 0 || size > len(c.packet) {
				continue
			}
			if _, err := decodeAny(c.version, c.fromServer, frame); err == nil {
				f(c, frame, c.packet[:size:size])
			}
		}
	}
}

func TestReadFrameAsksForMoreAtEveryCut(t *testing.T) {
	eachValidPacket(t, func(c corpusCase, _ Frame, packet []byte) {
		for cut := range packet {
			f, size, err := ReadFrame(packet[:cut], 0)
			if err != nil || f.Body != nil || (size != 0 && size != len(packet)) {
				t.Errorf("%s cut to %d bytes: body %v, size %d, err %v", c.name, cut, f.Body, size, err)
			}
		}
	})
}

// A body that ends early is malformed, unless what is left is a packet too:
// some fields at the end may be left out, and a Payload has no end of its own.
func TestDecodersRejectBodiesCutShort(t *testing.T) {
	eachValidPacket(t, func(c corpusCase, f Frame, _ []byte) {
		for cut := range f.Body {
			short := Frame{f.Type, f.Flags, f.Body[:cut:cut]}
			p, err := decodeAny(c.version, c.fromServer, short)
			if err != nil {
				continue
			}
			again := appendAny(nil, c.version, f.Type, p)
			g, _, _ := ReadFrame(again, 0)
			q, err := decodeAny(c.version, c.fromServer, g)
			if err != nil || dump(f.Type, p) != dump(f.Type, q) {
				t.Errorf("%s cut to %d bytes decodes as %s and then as %v, %v", c.name, cut, dump(f.Type, p), q, err)
			}
			if !mayEndEarly(c.version, f, cut) {
				t.Errorf("%s cut to %d bytes decodes as %s", c.name, cut, dump(f.Type, p))
			}
		}
	})
}

// mayEndEarly reports whether the first cut bytes of f's valid body could be a
// valid body as well.
func mayEndEarly(v Version, f Frame, cut int) bool {
	switch f.Type {
	case TypePublish:
		var p Publish
		_ = DecodePublishFromServer(&p, v, f.Flags, f.Body)
		return cut >= len(f.Body)-len(p.Payload)
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		return v == V5 && (cut == 2 || cut == 3)
	case TypeDisconnect:
		return v == V5 && cut <= 1
	case TypeAuth:
		return cut == 0
	case TypeSubscribe, TypeUnsubscribe, TypeSuback, TypeUnsuback:
		return cut >= 3 // after any whole entry
	case TypeConnect:
		return v == V31 // which lets the end of the packet overrule the flags
	}
	return false
}

func TestDecodersDoNotReadBeyondTheBody(t *testing.T) {
	eachValidPacket(t, func(c corpusCase, f Frame, _ []byte) {
		clean, _ := decodeAny(c.version, c.fromServer, f)
		poisoned := append(append([]byte{}, f.Body...), bytes.Repeat([]byte{0xFF}, 64)...)
		f.Body = poisoned[:len(f.Body)]
		got, err := decodeAny(c.version, c.fromServer, f)
		if err != nil || dump(f.Type, got) != dump(f.Type, clean) {
			t.Errorf("%s with bytes behind it: %v", c.name, err)
		}
	})
}
