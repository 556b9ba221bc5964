package security

import (
	"maps"
	"testing"
)

func TestAttributes(t *testing.T) {
	source := map[string]string{"city": "seattle", "building": "17", "empty": ""}
	a := NewAttributes(source)
	if got := maps.Collect(a.All()); !maps.Equal(got, source) || a.Len() != 3 {
		t.Errorf("got %v", got)
	}
	delete(source, "city")
	source["building"] = "18"
	if a.String() != "{building: 17, city: seattle, empty: }" {
		t.Errorf("a change of the map shows through: %v", a)
	}
	for name, want := range map[string]string{"building": "17", "city": "seattle", "empty": ""} {
		if got, ok := a.Get(name); got != want || !ok {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "a", "City", "zip"} {
		if got, ok := a.Get(name); got != "" || ok {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
	for range a.All() {
		break // an iterator must survive that
	}
	if !a.Equal(NewAttributes(map[string]string{"city": "seattle", "building": "17", "empty": ""})) ||
		a.Equal(NewAttributes(map[string]string{"city": "seattle", "building": "17"})) {
		t.Error("Equal is wrong")
	}
	var zero Attributes
	if _, ok := zero.Get("a"); ok || zero.Len() != 0 || zero.String() != "{}" || !zero.Equal(NewAttributes(nil)) {
		t.Error("the zero Attributes must be empty")
	}
}

func TestParseAction(t *testing.T) {
	for text, want := range map[string]Action{"Connect": ActionConnect, "publish": ActionPublish, "SUBSCRIBE": ActionSubscribe} {
		var a Action
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want {
			t.Errorf("%s: got %v, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "Connect ", "Read", "Action(0)"} {
		if a, err := ParseAction(text); err == nil || a != 0 {
			t.Errorf("%q: got %v, %v", text, a, err)
		}
	}
}
