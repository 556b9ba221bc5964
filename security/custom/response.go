package custom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirmq/weir/security"
)

// verdict is what an answer says.
type verdict byte

const (
	// refused is the zero value, so that what was not decided is not granted.
	refused verdict = iota
	granted
	rejected     // the request as such: it is nothing that this server judges
	otherVersion // of the API
)

// answer is a response that the API has.
type answer struct {
	verdict    verdict
	expiry     time.Time           // of granted; zero: never
	attributes security.Attributes // of granted
	reason     byte                // of refused, as the server gave it
	text       string              // of refused and rejected: why, for the log
	versions   []string            // of otherVersion
}

// fault is why there is no answer.
type fault struct {
	reason  string // reads on from "the custom authentication server"
	silent  bool   // the server did not answer at all, or said that it cannot
	connect bool   // there was no connection to it
}

func unusable(format string, args ...any) *fault { return &fault{reason: fmt.Sprintf(format, args...)} }

// decode reads a response. What a server did not say in full and without any
// doubt it has not said: nothing is granted by a guess.
func decode(status int, contentType string, body []byte) (answer, *fault) {
	switch {
	case status == http.StatusOK:
		if problem := notJSON(contentType); problem != "" {
			return answer{}, unusable("answered 200 with %s", problem)
		}
		reply, err := decodeGrant(body)
		if err != nil {
			return answer{}, unusable("answered 200 with a body that %v", err)
		}
		return reply, nil
	case status == http.StatusForbidden:
		return decodeRefusal(body), nil
	case status == http.StatusUnprocessableEntity:
		reply, err := decodeVersions(body)
		if err != nil {
			return answer{}, unusable("answered 422 with a body that %v", err)
		}
		return reply, nil
	case status == http.StatusTooManyRequests || status >= 500:
		return answer{}, &fault{reason: statusText(status), silent: true}
	case status >= 400:
		return answer{verdict: rejected, text: statusText(status) + ": " + string(body)}, nil
	}
	return answer{}, unusable("%s, which its API does not have", statusText(status))
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("answered %d %s", status, http.StatusText(status)))
}

// notJSON says what else than JSON a Content-Type promises. One that is missing
// promises nothing, and the body decides.
func notJSON(contentType string) string {
	if contentType == "" {
		return ""
	}
	if media, _, err := mime.ParseMediaType(contentType); err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
		return ""
	}
	return fmt.Sprintf("Content-Type %q and not application/json", contentType)
}

// decodeGrant reads the body of 200.
func decodeGrant(body []byte) (answer, error) {
	reply := answer{verdict: granted}
	err := members(body, func(name string, value json.RawMessage) error {
		switch {
		case name == "expiry" && !isNull(value):
			text, err := stringOf(value)
			if err != nil {
				return fmt.Errorf("has an expiry that %w", err)
			}
			if reply.expiry, err = time.Parse(time.RFC3339, text); err != nil {
				return errors.New("has an expiry that is not a time as in RFC 3339, such as 2030-05-08T20:04:16Z")
			}
			if reply.expiry.IsZero() { // which would stand for never
				return errors.New("has an expiry in the year 1")
			}
		case name == "attributes" && !isNull(value):
			attributes := make(map[string]string)
			err := members(value, func(name string, value json.RawMessage) error {
				text, err := stringOf(value)
				switch {
				case err != nil:
					return fmt.Errorf("have a value that %w", err)
				case name == "":
					return errors.New("have one without a name")
				}
				attributes[name] = text
				return nil
			})
			if err != nil {
				return fmt.Errorf("has attributes that %w", err)
			}
			reply.attributes = security.NewAttributes(attributes)
		}
		return nil
	})
	return reply, err
}

// decodeRefusal reads the body of 403. Whatever is in it, 403 is a refusal.
func decodeRefusal(body []byte) answer {
	var reason *byte
	var message string
	err := members(body, func(name string, value json.RawMessage) (err error) {
		switch name {
		case "reason":
			err = json.Unmarshal(value, &reason)
		case "message":
			message, err = stringOf(value)
		}
		return err
	})
	reply := answer{text: "refused the Client"}
	if err != nil || reason == nil {
		reply.text += ", without a reason from 0 to 255"
		return reply
	}
	reply.reason = *reason
	reply.text += fmt.Sprintf(" with reason %d", reply.reason)
	if message != "" {
		reply.text += ": " + message
	}
	return reply
}

// decodeVersions reads the body of 422.
func decodeVersions(body []byte) (answer, error) {
	reply := answer{verdict: otherVersion}
	err := members(body, func(name string, value json.RawMessage) error {
		if name != "supportedVersions" {
			return nil
		}
		if json.Unmarshal(value, &reply.versions) != nil {
			return errors.New("has supportedVersions that are not a list of strings")
		}
		return nil
	})
	if err == nil && len(reply.versions) == 0 {
		err = errors.New("has no supportedVersions")
	}
	return reply, err
}

// members calls member for each member of a JSON object, which must be all that
// is in text. Unlike json.Unmarshal it takes names as they are written, letter
// case included, and refuses one that comes twice: two readers of such an object
// may see different things in it.
func members(text []byte, member func(name string, value json.RawMessage) error) error {
	if !utf8.Valid(text) || !json.Valid(text) {
		return errors.New("is not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return errors.New("is not a JSON object")
	}
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if seen[name] {
			return errors.New("has a member twice")
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := member(name, value); err != nil {
			return err
		}
	}
	return nil
}

func isNull(value json.RawMessage) bool { return string(value) == "null" }

// stringOf returns a JSON string.
func stringOf(value json.RawMessage) (text string, err error) {
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return "", errors.New("is not a string")
	}
	return text, nil
}
