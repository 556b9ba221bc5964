package engine_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/engine"
)

func TestSysTopicsTellOfTheServer(t *testing.T) {
	b := start(t, engine.Options{
		Loops: 2, SysInterval: 10 * time.Millisecond, Version: "v1.2.3",
		Listeners: []engine.Listener{{Name: "plain", Address: "127.0.0.1:0"}},
	})
	client := b.connect("plain", "client")
	subscribe(t, client, "a/#", codec.QoS1)
	if code := publishQoS1(t, b.connect("plain", "publisher"), "b", "x"); code.IsError() {
		t.Fatal(code)
	}
	received := make(chan *engine.Message, 1000)
	b.subscribeHere("$SYS/#", engine.SubscribeOptions{}, func(m *engine.Message) {
		select {
		case received <- m:
		default: // more than the test looks at
		}
	})
	const values = "26" // so many are retained
	want := map[string]func(string) bool{
		"version":                             func(v string) bool { return v == "weir version v1.2.3" },
		"uptime":                              func(v string) bool { n, ok := strings.CutSuffix(v, " seconds"); return ok && isNumber(n, 0) },
		"clients/connected":                   func(v string) bool { return v == "3" },
		"clients/total":                       func(v string) bool { return v == "3" },
		"messages/received":                   func(v string) bool { return isNumber(v, 1) },
		"messages/sent":                       func(v string) bool { return isNumber(v, 17) },
		"messages/stored":                     func(v string) bool { return v == values },
		"messages/inflight":                   func(v string) bool { return v == "0" },
		"publish/messages/dropped/queue full": func(v string) bool { return v == "0" },
		"publish/messages/dropped":            func(v string) bool { return isNumber(v, 0) },
		"publish/messages/refused":            func(v string) bool { return v == "0" },
		"store/messages/bytes":                func(v string) bool { return isNumber(v, 100) },
		"subscriptions/refused":               func(v string) bool { return v == "0" },
		"bytes/received":                      func(v string) bool { return isNumber(v, 40) },
		"bytes/sent":                          func(v string) bool { return isNumber(v, 20) },
		"subscriptions/count":                 func(v string) bool { return v == "2" },
		"retained messages/count":             func(v string) bool { return v == values },
		"heap/current":                        func(v string) bool { return isNumber(v, 10_000) },
	}
	// The first rounds are from before everybody was there.
	for len(want) > 0 {
		m := next(t, received)
		topic, ok := strings.CutPrefix(m.TopicName, "$SYS/broker/")
		if !ok {
			t.Fatalf("a message of %s", m.TopicName)
		}
		if right := want[topic]; right != nil && right(string(m.Payload)) {
			delete(want, topic)
		}
	}

	// They are retained: who comes later has them at once.
	late := b.connect("plain", "late")
	subscribe(t, late, "$SYS/broker/version", codec.QoS0)
	if p := late.NextPublish(); !p.Retain || string(p.Payload) != "weir version v1.2.3" {
		t.Errorf("received %q, retained %v", p.Payload, p.Retain)
	}
}

func isNumber(s string, least int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= least
}
