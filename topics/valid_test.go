package topics

import (
	"strings"
	"testing"
)

func TestValidFilterFollowsTheStandard(t *testing.T) {
	for _, c := range []struct {
		about, filter string
		want          bool
	}{
		{"MQTT-4.7.1-1 # alone", "#", true},
		{"MQTT-4.7.1-1 # after a separator", "sport/tennis/#", true},
		{"MQTT-4.7.1-1 # after a leading separator", "/#", true},
		{"MQTT-4.7.1-1 # not a whole level", "sport/tennis#", false},
		{"MQTT-4.7.1-1 # first in its level", "sport/#tennis", false},
		{"MQTT-4.7.1-1 # not last", "sport/tennis/#/ranking", false},
		{"MQTT-4.7.1-1 # before a separator", "#/", false},
		{"MQTT-4.7.1-1 ##", "##", false},
		{"MQTT-4.7.1-1 #/#", "#/#", false},
		{"MQTT-4.7.1-2 + alone", "+", true},
		{"MQTT-4.7.1-2 + and #", "+/tennis/#", true},
		{"MQTT-4.7.1-2 + last", "sport/+", true},
		{"MQTT-4.7.1-2 + in the middle", "sport/+/player1", true},
		{"MQTT-4.7.1-2 + and a trailing separator", "+/", true},
		{"MQTT-4.7.1-2 + ends a level", "sport+", false},
		{"MQTT-4.7.1-2 + ends a later level", "a/b+", false},
		{"MQTT-4.7.1-2 + starts a level", "+sport/a", false},
		{"MQTT-4.7.1-2 ++", "++", false},
		{"MQTT-4.7.1-2 +#", "+#", false},
		{"MQTT-4.7.3-1 empty", "", false},
		{"MQTT-4.7.3-2 null", "a/\x00", false},
		{"MQTT-4.7.3-3 longest", strings.Repeat("a", 65535), true},
		{"MQTT-4.7.3-3 too long", strings.Repeat("a", 65536), false},
		{"separator alone", "/", true},
		{"separators alone", "///", true},
		{"space", "Accounts payable", true},
		{"Shared Subscription", "$share/g/a/#", true},
		{"a ShareName is not checked here", "$share/+/a", true},
	} {
		t.Run(c.about, func(t *testing.T) {
			if got := ValidFilter(c.filter); got != c.want {
				t.Errorf("ValidFilter(%.40q) = %t, want %t", c.filter, got, c.want)
			}
			if got := ValidFilter([]byte(c.filter)); got != c.want {
				t.Errorf("ValidFilter([]byte(%.40q)) = %t, want %t", c.filter, got, c.want)
			}
			if got := naiveValidFilter(c.filter); got != c.want {
				t.Errorf("naive: %.40q is valid: %t, want %t", c.filter, got, c.want)
			}
		})
	}
}

func TestValidNameFollowsTheStandard(t *testing.T) {
	for _, c := range []struct {
		about, name string
		want        bool
	}{
		{"plain", "sport/tennis", true},
		{"space", "Accounts payable", true},
		{"separator alone", "/", true},
		{"empty levels", "a//b/", true},
		{"$", "$SYS/monitor", true},
		{"MQTT-4.7.0-1 #", "a/#", false},
		{"MQTT-4.7.0-1 # in a level", "a#", false},
		{"MQTT-4.7.0-1 +", "+/a", false},
		{"MQTT-4.7.0-1 + in a level", "a+b", false},
		{"MQTT-4.7.3-1 empty", "", false},
		{"MQTT-4.7.3-2 null", "a\x00b", false},
		{"MQTT-4.7.3-3 longest", strings.Repeat("a", 65535), true},
		{"MQTT-4.7.3-3 too long", strings.Repeat("a", 65536), false},
	} {
		t.Run(c.about, func(t *testing.T) {
			if got := ValidName(c.name); got != c.want {
				t.Errorf("ValidName(%.40q) = %t, want %t", c.name, got, c.want)
			}
			if got := ValidName([]byte(c.name)); got != c.want {
				t.Errorf("ValidName([]byte(%.40q)) = %t, want %t", c.name, got, c.want)
			}
		})
	}
}
