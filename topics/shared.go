package topics

import "strings"

// sharePrefix starts the Topic Filter of a Shared Subscription, in exactly this
// case: Topic Filters are case sensitive, so "$SHARE/g/a" is an ordinary filter
// and so is "$share", which the separator does not follow.
const sharePrefix = "$share/"

// A ShareError says what is wrong with the Topic Filter of a Shared
// Subscription. [ParseShared] returns one of a fixed few, made at init.
type ShareError struct {
	// Statement is the normative statement broken, such as "MQTT-4.8.2-1".
	Statement string
	// Problem is what is wrong and what would be right, in one sentence.
	Problem string
}

// Error returns the problem and the statement it breaks.
func (e *ShareError) Error() string {
	return "topics: " + e.Problem + " [" + e.Statement + "]"
}

var (
	errShareNameEmpty = &ShareError{"MQTT-4.8.2-1",
		`ShareName is empty: want "$share/{ShareName}/{filter}" with at least one character in ShareName`}
	errShareNameWildcard = &ShareError{"MQTT-4.8.2-2",
		`ShareName contains "+" or "#": want "$share/{ShareName}/{filter}" with neither in ShareName`}
	errShareNoFilter = &ShareError{"MQTT-4.8.2-2",
		`no Topic Filter after ShareName: want "$share/{ShareName}/{filter}"`}
	errShareBadFilter = &ShareError{"MQTT-4.8.2-2",
		`what follows ShareName is not a Topic Filter: want "+" and "#" as whole levels, and "#" last`}
)

// ParseShared splits the Topic Filter of a Shared Subscription,
// "$share/{ShareName}/{filter}". shared tells whether filter begins with
// "$share/"; when it does not, rest is filter itself, unchecked. rest of a
// Shared Subscription is checked to be a Topic Filter. Errors are of type
// [*ShareError], and leave shareName and rest empty. The results are views of
// filter.
func ParseShared(filter string) (shareName, rest string, shared bool, err error) {
	after, shared := strings.CutPrefix(filter, sharePrefix)
	if !shared {
		return "", filter, false, nil
	}
	shareName, rest, more := NextLevel(after)
	switch {
	case shareName == "":
		return "", "", true, errShareNameEmpty // [MQTT-4.8.2-1]
	case strings.ContainsAny(shareName, "+#"):
		return "", "", true, errShareNameWildcard // [MQTT-4.8.2-2]
	case !more || rest == "":
		return "", "", true, errShareNoFilter // [MQTT-4.8.2-2]
	case !ValidFilter(rest):
		return "", "", true, errShareBadFilter // [MQTT-4.8.2-2]
	}
	return shareName, rest, true, nil
}
