package custom

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestGrantIsReadStrictly(t *testing.T) {
	at := time.Date(2030, 5, 8, 20, 4, 16, 0, time.UTC)
	for _, row := range []struct {
		name, body string
		expiry     time.Time
		attributes string
		says       string // part of the error; "" for none
	}{
		{"nothing", `{}`, time.Time{}, "{}", ""},
		{"white space around", " {\n} \r\n", time.Time{}, "{}", ""},
		{"expiry with an offset", `{"expiry": "2030-05-08T20:04:16+00:00"}`, at, "{}", ""},
		{"expiry in UTC", `{"expiry": "2030-05-08T20:04:16Z"}`, at, "{}", ""},
		{"expiry with a fraction", `{"expiry": "2030-05-08T20:04:16.5Z"}`, at.Add(time.Second / 2), "{}", ""},
		{"attributes", `{"attributes": {"b": "2", "a": ""}}`, time.Time{}, "{a: , b: 2}", ""},
		{"an escape", `{"attributes": {"\u0061": "\u00fc"}}`, time.Time{}, "{a: ü}", ""},
		{"null is absent", `{"expiry": null, "attributes": null}`, time.Time{}, "{}", ""},
		{"what is unknown", `{"username": "eve", "Expiry": 1, "ATTRIBUTES": {"a": 1}}`, time.Time{}, "{}", ""},

		{"empty", ``, time.Time{}, "", "not JSON"},
		{"null", `null`, time.Time{}, "", "not a JSON object"},
		{"a string", `"{}"`, time.Time{}, "", "not a JSON object"},
		{"cut short", `{"attributes": {"a": "b"}`, time.Time{}, "", "not JSON"},
		{"a second object", `{}{"expiry": "2001-01-01T00:00:00Z"}`, time.Time{}, "", "not JSON"},
		{"trailing text", `{}x`, time.Time{}, "", "not JSON"},
		{"not UTF-8", "{\"attributes\": {\"a\": \"\xff\"}}", time.Time{}, "", "not JSON"},
		{"expiry twice", `{"expiry": "2001-01-01T00:00:00Z", "expiry": "2030-05-08T20:04:16Z"}`, time.Time{}, "", "twice"},
		{"expiry twice, once with an escape", `{"expiry": "2001-01-01T00:00:00Z", "\u0065xpiry": null}`, time.Time{}, "", "twice"},
		{"an attribute twice", `{"attributes": {"a": "1", "a": "2"}}`, time.Time{}, "", "twice"},
		{"expiry without a zone", `{"expiry": "2030-05-08T20:04:16"}`, time.Time{}, "", "RFC 3339"},
		{"expiry empty", `{"expiry": ""}`, time.Time{}, "", "RFC 3339"},
		{"expiry in the year 1, which is Go's never", `{"expiry": "0001-01-01T00:00:00Z"}`, time.Time{}, "", "year 1"},
		{"expiry false", `{"expiry": false}`, time.Time{}, "", "not a string"},
		{"attributes in a list", `{"attributes": ["a"]}`, time.Time{}, "", "not a JSON object"},
		{"an attribute that is a number", `{"attributes": {"building": 17}}`, time.Time{}, "", "not a string"},
		{"an attribute that is null", `{"attributes": {"building": null}}`, time.Time{}, "", "not a string"},
		{"an attribute that is true", `{"attributes": {"admin": true}}`, time.Time{}, "", "not a string"},
		{"an attribute that is an object", `{"attributes": {"a": {"b": "c"}}}`, time.Time{}, "", "not a string"},
		{"an attribute without a name", `{"attributes": {"": "a"}}`, time.Time{}, "", "without a name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, fault := decode(200, "application/json", []byte(row.body))
			if row.says != "" {
				if fault == nil || !strings.Contains(fault.reason, row.says) || got.verdict != refused {
					t.Fatalf("got %+v, %+v, want an error with %q", got, fault, row.says)
				}
				return
			}
			if fault != nil || got.verdict != granted || !got.expiry.Equal(row.expiry) || got.attributes.String() != row.attributes {
				t.Errorf("got %+v, %+v, want expiry %v, attributes %s", got, fault, row.expiry, row.attributes)
			}
		})
	}
}

func TestRefusalIsARefusalWhateverItSays(t *testing.T) {
	for body, want := range map[string]byte{
		`{"reason": 135}`:                        135,
		`{"reason": 0, "message": "m"}`:          0,
		`{"reason": 255}`:                        255,
		`{"reason": 256}`:                        0,
		`{"reason": -1}`:                         0,
		`{"reason": 1.5}`:                        0,
		`{"reason": "135"}`:                      0,
		`{"reason": null}`:                       0,
		`{"Reason": 134}`:                        0,
		`{"reason": 134, "reason": 135}`:         0,
		`{}`:                                     0,
		`{"reason": 134, "message": 1}`:          0,
		``:                                       0,
		`granted`:                                0,
		`{"reason": 134, "expiry": "", "a": {}}`: 134,
	} {
		got, fault := decode(403, "text/html", []byte(body))
		if fault != nil || got.verdict != refused || got.reason != want {
			t.Errorf("%s: got %+v, %v, want reason %d", body, got, fault, want)
		}
	}
}

func TestConnackReason(t *testing.T) {
	for _, row := range []struct {
		name               string
		reason             byte
		want, wantVersion4 byte
	}{
		{"none or Success", 0, 0x87, 0x87},
		{"1 of MQTT 3.1.1", 1, 0x84, 0x84},
		{"2 of MQTT 3.1.1", 2, 0x85, 0x85},
		{"3 of MQTT 3.1.1", 3, 0x88, 0x88},
		{"4 of MQTT 3.1.1", 4, 0x86, 0x86},
		{"5 of MQTT 3.1.1", 5, 0x87, 0x87},
		{"6, nothing", 6, 0x87, 0x87},
		{"Granted QoS 1 and the like", 0x10, 0x87, 0x87},
		{"the last below an error", 0x7f, 0x87, 0x87},
		{"Unspecified error", 0x80, 0x80, 0x87},
		{"Bad User Name or Password", 0x86, 0x86, 0x86},
		{"Not authorized", 0x87, 0x87, 0x87},
		{"Server unavailable", 0x88, 0x88, 0x88},
		{"Server busy", 0x89, 0x89, 0x89},
		{"Banned", 0x8a, 0x8a, 0x87},
		{"Server shutting down, which only DISCONNECT has", 0x8b, 0x87, 0x87},
		{"Bad authentication method", 0x8c, 0x8c, 0x87},
		{"Quota exceeded", 0x97, 0x97, 0x87},
		{"Connection rate exceeded", 0x9f, 0x9f, 0x87},
		{"Maximum connect time, which only DISCONNECT has", 0xa0, 0x87, 0x87},
		{"255", 0xff, 0x87, 0x87},
	} {
		if got := connackReason(row.reason, 5); got != row.want {
			t.Errorf("%s: %#x becomes %#x, want %#x", row.name, row.reason, got, row.want)
		}
		if got := connackReason(row.reason, 4); got != row.wantVersion4 {
			t.Errorf("%s, MQTT 3.1.1: %#x becomes %#x, want %#x", row.name, row.reason, got, row.wantVersion4)
		}
	}
	for reason := range 256 {
		for _, version := range []byte{4, 5} {
			if got := connackReason(byte(reason), version); got < 0x80 {
				t.Errorf("%#x becomes %#x, with which a refusal would read as a welcome", reason, got)
			}
		}
	}
}

// naiveGrant reads a grant with encoding/json alone, and says what is in it.
func naiveGrant(body []byte) (expiry string, attributes map[string]string, ok bool) {
	var object map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(body))
	if d.Decode(&object) != nil || object == nil || !utf8.Valid(body) {
		return "", nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", nil, false
	}
	if raw, there := object["expiry"]; there && string(raw) != "null" {
		var text *string
		if json.Unmarshal(raw, &text) != nil {
			return "", nil, false
		}
		at, err := time.Parse(time.RFC3339, *text)
		if err != nil || at.IsZero() {
			return "", nil, false
		}
		expiry = at.UTC().String()
	}
	if raw, there := object["attributes"]; there && string(raw) != "null" {
		var values map[string]any
		if json.Unmarshal(raw, &values) != nil {
			return "", nil, false
		}
		attributes = make(map[string]string)
		for name, value := range values {
			text, isString := value.(string)
			if !isString || name == "" {
				return "", nil, false
			}
			attributes[name] = text
		}
	}
	return expiry, attributes, true
}

func FuzzGrant(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"expiry": "2030-05-08T20:04:16+00:00", "attributes": {"group": "group1"}}`, `{"attributes": {"a": 1}}`, `{} {}`, `[]`,
		`{"a":1,"a":2}`, "{\"attributes\": {\"\xff\": \"\"}}", `{"expiry": null}`, `{"attributes": {"a": "\ud800"}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, fault := decode(200, "", body)
		expiry, attributes, ok := naiveGrant(body)
		if fault != nil {
			if got.verdict == granted {
				t.Fatalf("granted in spite of %q", fault.reason)
			}
			if ok && !strings.Contains(fault.reason, "twice") {
				t.Fatalf("refused for %q, but expiry %q and attributes %v are there", fault.reason, expiry, attributes)
			}
			return
		}
		if !ok {
			t.Fatalf("granted %+v, and encoding/json cannot read it", got)
		}
		have := maps.Collect(got.attributes.All())
		if !maps.Equal(have, attributes) {
			t.Fatalf("attributes %v, want %v", have, attributes)
		}
		if at := ""; !got.expiry.IsZero() {
			if at = got.expiry.UTC().String(); at != expiry {
				t.Fatalf("expiry %s, want %s", at, expiry)
			}
		} else if expiry != "" {
			t.Fatalf("no expiry, want %s", expiry)
		}
	})
}
