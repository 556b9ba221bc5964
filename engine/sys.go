package engine

import (
	"bytes"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"github.com/weirmq/weir/codec"
)

// sysPrefix is the tree of topics in which the Server tells of itself (4.7.2).
const sysPrefix = "$SYS"

// isSys reports whether a topic is the Server's own to publish to.
func isSys(topic []byte) bool {
	rest, ok := bytes.CutPrefix(topic, []byte(sysPrefix))
	return ok && (len(rest) == 0 || rest[0] == '/')
}

// sysValue is one topic below "$SYS/broker/" and what is published there.
type sysValue struct{ topic, value string }

// sysValues is what the Server tells of itself, under the names that monitoring
// tools know from mosquitto. Messages are Application Messages: PUBLISH packets.
// Those that are stored are the retained ones and those in the queues of
// Sessions.
func (e *Engine) sysValues(s *Stats, uptime time.Duration) []sysValue {
	i := func(n int64) string { return strconv.FormatInt(n, 10) }
	u := func(n uint64) string { return strconv.FormatUint(n, 10) }
	values := []sysValue{
		{"version", "weir version " + e.options.Version},
		{"uptime", i(int64(uptime/time.Second)) + " seconds"},
		{"clients/connected", i(s.Connections)},
		{"clients/total", i(s.Sessions)},
		{"messages/received", u(s.PublishesReceived)},
		{"messages/sent", u(s.PublishesSent)},
		{"messages/stored", i(s.Retained + s.MessagesWaiting)},
		{"messages/inflight", i(s.MessagesInFlight)},
		{"publish/messages/dropped", u(s.MessagesDropped)},
		{"publish/messages/refused", u(s.PublicationsRefused)},
		{"store/messages/bytes", i(s.RetainedBytes + s.BytesHeld)},
		{"bytes/received", u(s.BytesReceived)},
		{"bytes/sent", u(s.BytesSent)},
		{"subscriptions/count", i(s.Subscriptions)},
		{"subscriptions/refused", u(s.SubscriptionsRefused)},
		{"retained messages/count", i(s.Retained)},
		{"heap/current", u(heapBytes())},
	}
	for cause, n := range s.DroppedFor {
		values = append(values, sysValue{"publish/messages/dropped/" + DropCause(cause).String(), u(n)})
	}
	return values
}

// heapBytes is the memory of live and not yet collected objects.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// publishSys publishes all values of now. What finds the loops busy is left
// out: the next round brings it.
func (e *Engine) publishSys(uptime time.Duration) {
	s, err := e.Stats(e.background)
	if err != nil {
		return // the engine stops
	}
	for _, v := range e.sysValues(&s, uptime) {
		m := Message{TopicName: sysPrefix + "/broker/" + v.topic, Payload: []byte(v.value), QoS: byte(codec.QoS0), Retain: true}
		if e.Publish(e.background, m) != nil && e.background.Err() != nil {
			return
		}
	}
}

// keepSys publishes at once and then every Options.SysInterval, on a goroutine
// of its own, until the engine stops, unless that is turned off.
func (e *Engine) keepSys() {
	if e.options.SysInterval < 0 {
		return
	}
	defer e.containGoroutine()
	began := time.Now()
	tick := time.NewTicker(e.options.SysInterval)
	defer tick.Stop()
	for {
		e.publishSys(time.Since(began))
		select {
		case <-tick.C:
		case <-e.background.Done():
			return
		}
	}
}

const modulePath = "github.com/weirmq/weir"

// moduleVersion is the version of this module that the Go command recorded in
// the program.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == modulePath && info.Main.Version != "" {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == modulePath {
			return m.Version
		}
	}
	return "(devel)"
}
