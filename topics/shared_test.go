package topics

import (
	"errors"
	"testing"
)

func TestParseSharedFollowsTheStandard(t *testing.T) {
	for _, c := range []struct {
		about, filter   string
		shareName, rest string
		shared          bool
		err             *ShareError
	}{
		{"4.8.2 example", "$share/consumer1/sport/tennis/+", "consumer1", "sport/tennis/+", true, nil},
		{"4.8.2 example with a leading separator", "$share/consumer1//finance", "consumer1", "/finance", true, nil},
		{"everything", "$share/g/#", "g", "#", true, nil},
		{"separator alone", "$share/g//", "g", "/", true, nil},
		{"a space in ShareName", "$share/a b/c", "a b", "c", true, nil},
		{"$ in ShareName", "$share/$share/c", "$share", "c", true, nil},
		{"a filter that looks shared", "$share/g/$share/h/a", "g", "$share/h/a", true, nil},
		{"not shared", "sport/tennis/+", "", "sport/tennis/+", false, nil},
		{"not shared, empty", "", "", "", false, nil},
		{"case sensitive", "$SHARE/g/a", "", "$SHARE/g/a", false, nil},
		{"case sensitive, mixed", "$Share/g/a", "", "$Share/g/a", false, nil},
		{"no separator after $share", "$share", "", "$share", false, nil},
		{"longer first level", "$shared/g/a", "", "$shared/g/a", false, nil},
		{"not the first level", "/$share/g/a", "", "/$share/g/a", false, nil},
		{"MQTT-4.8.2-1 no ShareName", "$share/", "", "", true, errShareNameEmpty},
		{"MQTT-4.8.2-1 empty ShareName", "$share//a", "", "", true, errShareNameEmpty},
		{"MQTT-4.8.2-2 + in ShareName", "$share/+/a", "", "", true, errShareNameWildcard},
		{"MQTT-4.8.2-2 + within ShareName", "$share/g+h/a", "", "", true, errShareNameWildcard},
		{"MQTT-4.8.2-2 # in ShareName", "$share/#", "", "", true, errShareNameWildcard},
		{"MQTT-4.8.2-2 no separator", "$share/g", "", "", true, errShareNoFilter},
		{"MQTT-4.8.2-2 no filter", "$share/g/", "", "", true, errShareNoFilter},
		{"MQTT-4.8.2-2 bad filter", "$share/g/a/#/b", "", "", true, errShareBadFilter},
		{"MQTT-4.8.2-2 bad filter, +", "$share/g/a+", "", "", true, errShareBadFilter},
		{"MQTT-4.8.2-2 bad filter, null", "$share/g/a\x00", "", "", true, errShareBadFilter},
	} {
		t.Run(c.about, func(t *testing.T) {
			shareName, rest, shared, err := ParseShared(c.filter)
			if shareName != c.shareName || rest != c.rest || shared != c.shared {
				t.Errorf("ParseShared(%q) = %q, %q, %t; want %q, %q, %t",
					c.filter, shareName, rest, shared, c.shareName, c.rest, c.shared)
			}
			var shareError *ShareError
			if errors.As(err, &shareError); shareError != c.err {
				t.Errorf("ParseShared(%q): error %v, want %v", c.filter, err, c.err)
			}
		})
	}
}

func TestShareErrorNamesProblemAndStatement(t *testing.T) {
	_, _, _, err := ParseShared("$share//a")
	const want = `topics: ShareName is empty: want "$share/{ShareName}/{filter}" with at least one character in ShareName [MQTT-4.8.2-1]`
	if err.Error() != want {
		t.Errorf("error is\n%s\nwant\n%s", err, want)
	}
}
