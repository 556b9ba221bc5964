package engine

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirmq/weir/codec"
)

// badInput is one way in which a Client can be wrong, and what comes of it. It
// is a case of a file in testdata/badinput, or of the codec's corpus of packets,
// of which those that do not decode are played too:
//
//	== name | VERSION STATE [TRANSPORT ...]
//	input
//	output
//
// STATE is "connected", with a CONNACK, or "new", with nothing sent yet.
// Without a TRANSPORT it is played over all. Input is lines of:
//
//	> PACKET             a packet, or RAW and bytes, as in a conversation
//	frame FIRST BYTES    one masked WebSocket frame with that first byte
//	wire BYTES           bytes below the WebSocket frames
//	request CHANGE | ... the HTTP request with "Name: value" for a header field,
//	                     "-Name" without it, "+Name: value" with one more, or
//	                     another first line; or RAW and bytes instead of it
//	advance DURATION     moves the clock
//
// and output is what the Client gets then, to the end: "< PACKET", "< HTTP
// STATUS: text", "< CLOSE CODE" for a WebSocket's Close frame, and then either "open" or
// "closed REASON: detail" as the event, the log and Stats have it. Where there
// is no CLOSE, the Close frame has the code that goes with REASON.
type badInput struct {
	section    string
	name       string // with what it cites
	version    codec.Version
	state      string
	transports []string
	input      []string
	output     []string
	source     string // header and input, as they stand in the file
}

// badInputFiles reads testdata/badinput, by file.
func badInputFiles(t testing.TB) (files []string, rows map[string][]badInput) {
	t.Helper()
	files, err := filepath.Glob("testdata/badinput/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad input: %v", err)
	}
	rows = make(map[string][]badInput)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases := strings.Split(strings.TrimSpace(string(text)), "\n\n")
		section, ok := strings.CutPrefix(cases[0], "# ")
		if !ok {
			t.Fatalf("%s has no title", file)
		}
		for _, c := range cases[1:] {
			r := parseBadInput(t, c)
			r.section = section
			rows[file] = append(rows[file], r)
		}
	}
	return files, rows
}

func parseBadInput(t testing.TB, text string) (r badInput) {
	t.Helper()
	header, rest, _ := strings.Cut(text, "\n")
	name, conditions, ok := strings.Cut(strings.TrimPrefix(header, "== "), " | ")
	words := strings.Fields(conditions)
	if !ok || len(words) < 2 || words[1] != "connected" && words[1] != "new" {
		t.Fatalf("%q is not the header of a case", header)
	}
	r.name, r.version, r.state, r.transports = name, versionOf(t, words[0]), words[1], words[2:]
	if len(r.transports) == 0 {
		r.transports = badInputTransports
	}
	source := []string{header}
	for line := range strings.SplitSeq(rest, "\n") {
		if isOutput(line) || line == "open" {
			r.output = append(r.output, line)
			continue
		}
		r.input = append(r.input, line)
		source = append(source, line)
	}
	r.source = strings.Join(source, "\n")
	return r
}

var badInputTransports = []string{"tcp", "tls", "ws", "wss"}

// corpusHeader and corpusError match what the codec's corpus has of a packet
// that does not decode.
var (
	corpusHeader = regexp.MustCompile(`^== (.*) \| (\S+) Client$`)
	corpusError  = regexp.MustCompile(`(?m)^-> (0x..) ((?:[^:\n]+): .* \[[^\]]+\])(?:, to be answered in version (\S+))?$`)
)

// badPackets is the packets of the codec's corpus that a Client must not send,
// each with what a Server has to make of the codec's error [MQTT-4.13.1-1].
func badPackets(t testing.TB) (rows []badInput) {
	t.Helper()
	files, err := filepath.Glob("../codec/testdata/packets/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no packets: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for c := range strings.SplitSeq(string(text), "\n\n") {
			header, body, _ := strings.Cut(c, "\n")
			h, e := corpusHeader.FindStringSubmatch(header), corpusError.FindStringSubmatch(body)
			if h == nil || e == nil {
				continue
			}
			bytes, _, _ := strings.Cut(body, "\n->")
			r := badInput{
				section: "Packets that do not decode", name: h[1], version: corpusVersions[h[2]],
				state: "connected", transports: badInputTransports, input: []string{"> RAW " + oneLine(bytes)},
			}
			code, detail, answered := e[1], e[2], e[3]
			answer, title := "DISCONNECT", strings.SplitN(detail, ":", 2)[0]
			if strings.HasPrefix(strings.TrimSpace(bytes), "1") {
				// A CONNECT is answered in its own version, if that is known.
				answer, r.state, r.version = "CONNACK", "new", corpusVersions[answered]
			}
			if r.version == codec.V5 || answer == "CONNACK" && code == "0x84" && answered != "" && answered != "unknown" {
				r.output = append(r.output, fmt.Sprintf("< %s rc=0x%s (%s)", answer, strings.ToUpper(code[2:]), title))
			}
			reason, ok := badPacketReasons[code]
			if !ok {
				reason = CloseProtocolError
			}
			r.output = append(r.output, fmt.Sprintf("closed %v: %s", reason, detail))
			rows = append(rows, r)
		}
	}
	return rows
}

var corpusVersions = map[string]codec.Version{"3.1": codec.V31, "3.1.1": codec.V311, "5.0": codec.V5}

// badPacketReasons is the close reasons of Reason Codes that have their own.
var badPacketReasons = map[string]CloseReason{
	"0x81": CloseMalformedPacket, "0x84": CloseUnsupportedProtocolVersion, "0x94": CloseTopicAliasInvalid, "0x95": ClosePacketTooLarge,
}

// oneLine takes the comments out of bytes on several lines.
func oneLine(bytes string) string {
	var words []string
	for line := range strings.Lines(bytes) {
		for line = strings.TrimSpace(line); line != "" && line[0] != '#'; line = strings.TrimSpace(line) {
			end := strings.IndexByte(line, ' ')
			if line[0] == '"' {
				end = 1 + strings.IndexByte(line[1:], '"') + 1
			}
			if end < 0 {
				end = len(line)
			}
			words = append(words, line[:end])
			line = line[end:]
		}
	}
	return strings.Join(words, " ")
}

// allBadInput is all rows, in the order of the document.
func allBadInput(t testing.TB) (rows []badInput) {
	t.Helper()
	rows = badPackets(t)
	files, byFile := badInputFiles(t)
	for _, file := range files {
		rows = append(rows, byFile[file]...)
	}
	return rows
}

// closeDetail is the detail of the connection's end, "" if there is none.
func (r *badInput) closeDetail() string {
	_, detail, _ := strings.Cut(r.output[len(r.output)-1], ": ")
	return detail
}

func TestBadInputNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range allBadInput(t) {
		if key := fmt.Sprint(r.name, r.version, r.state); seen[key] {
			t.Errorf("%q is there twice", r.name)
		} else {
			seen[key] = true
		}
	}
}

// TestEveryCodecErrorIsPlayed reads the errors from the codec's source: each is
// what a connection ended for, or is about packets that only a Server sends.
func TestEveryCodecErrorIsPlayed(t *testing.T) {
	source, err := os.ReadFile("../codec/errors.go")
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`\t(err\w+) +=.*"([^"]+)", "([^"]+)"\}?\)`).FindAllStringSubmatch(string(source), -1)
	if declared := regexp.MustCompile(`(?m)^\terr\w+ +=`).FindAll(source, -1); len(declared) != len(made) {
		t.Fatalf("errors.go declares %d errors, of which the pattern finds %d", len(declared), len(made))
	}
	fromServer := []string{
		"errConnackFlags", "errSessionPresent", "errConnackReasonCode", "errReturnCode311", "errSubackReasonCode",
		"errSuback311", "errSubackEmpty", "errUnsubackReasonCode", "errUnsubackEmpty", "errServerSessionExpiry",
	}
	played := playedDetails(t)
	for _, m := range made {
		want := m[3] + " [" + m[2] + "]"
		found := slices.ContainsFunc(played, func(s string) bool { return strings.HasSuffix(s, ": "+want) })
		if found == slices.Contains(fromServer, m[1]) {
			t.Errorf("%s (%s): played is %v", m[1], want, found)
		}
	}
}

// TestEveryPropertyIsPlayedWhereItMustNotBe holds the rows complete for what
// can be wrong with any property.
func TestEveryPropertyIsPlayedWhereItMustNotBe(t *testing.T) {
	played := strings.Join(playedDetails(t), "\n")
	serverOnly := []codec.PropertyID{
		codec.PropAssignedClientIdentifier, codec.PropServerKeepAlive, codec.PropResponseInformation, codec.PropMaximumQoS,
		codec.PropRetainAvailable, codec.PropWildcardSubscriptionAvailable, codec.PropSubscriptionIdentifierAvailable,
		codec.PropSharedSubscriptionAvailable,
	}
	for id := codec.PropPayloadFormatIndicator; id <= codec.PropSharedSubscriptionAvailable; id++ {
		name := id.String()
		if name == codec.PropertyID(0).String() || id == codec.PropUserProperty {
			continue // not an identifier of a property, or one that goes anywhere, any number of times
		}
		if !strings.Contains(played, name+" is not a property of this packet") {
			t.Errorf("no row has %s (0x%02X) in a packet that must not have it", name, byte(id))
		}
		// A Client that sends one of the Server's is wrong with the first.
		if !slices.Contains(serverOnly, id) && !strings.Contains(played, name+" is included more than once") {
			t.Errorf("no row has %s (0x%02X) twice", name, byte(id))
		}
	}
	for _, id := range []codec.PropertyID{codec.PropPayloadFormatIndicator, codec.PropRequestProblemInformation, codec.PropRequestResponseInformation} {
		if !strings.Contains(played, id.String()+" is neither 0 nor 1") {
			t.Errorf("no row has %v (0x%02X) with another value", id, byte(id))
		}
	}
}

func playedDetails(t *testing.T) (details []string) {
	t.Helper()
	for _, r := range allBadInput(t) {
		details = append(details, r.closeDetail())
	}
	return details
}

// TestEveryDetailOfTheEngineIsPlayed reads from the source what the engine has
// to say about bad input: each is what a row led to, or another test's.
func TestEveryDetailOfTheEngineIsPlayed(t *testing.T) {
	// These take a port with authentication, a policy, or more than one Client.
	elsewhere := []string{
		"the Session keeps moving",
		"no room for another Session",
		"no room for another Will",
		"no room for more input",
		"the port demands authentication now",
		"no longer authenticated: ",
		"AUTH with another Authentication Method than CONNECT",
		"re-authentication: ",
	}
	played := strings.Join(playedDetails(t), "\n")
	found := 0
	for _, detail := range engineDetails(t) {
		pattern := regexp.MustCompile(`%[\\.0-9#]*[a-z]`).ReplaceAllString(regexp.QuoteMeta(detail), ".*")
		is, other := regexp.MustCompile(pattern).MatchString(played), slices.Contains(elsewhere, detail)
		if is == other {
			t.Errorf("%q: played is %v", detail, is)
		}
		found++
	}
	if found < 30 {
		t.Errorf("the source has %d details: they are not being found", found)
	}
}

// detailArgument is which argument of a call is a detail.
var detailArgument = map[string]int{
	"protocolError": 1, "closeDetail": 1, "disconnectDetail": 2, "refuse": 2, "frameError": 1, "badRequest": 0,
}

// engineDetails returns the literal text of all details.
func engineDetails(t *testing.T) (details []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	add := func(e ast.Expr) {
		ast.Inspect(e, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING && len(l.Value) > 4 {
				text, _ := strconv.Unquote(l.Value)
				details = append(details, text)
			}
			return true
		})
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name := ""
				switch f := n.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				if i, ok := detailArgument[name]; ok && i < len(n.Args) {
					add(n.Args[i])
				}
			case *ast.CompositeLit:
				if f, ok := n.Type.(*ast.Ident); ok && (f.Name == "upgradeError" || f.Name == "webSocketError") && len(n.Elts) > 0 {
					add(n.Elts[len(n.Elts)-1])
				}
			}
			return true
		})
	}
	return details
}
