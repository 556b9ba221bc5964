//go:build !race

package engine

import (
	"crypto/tls"
	"fmt"
	"testing"

	"github.com/weirmq/weir/codec"
)

// eachPlacement runs a test with loops that a goroutine runs together, and with
// those that have one each, if there are several.
func eachPlacement(t *testing.T, name string, c runConfig, test func(*testing.T, runConfig)) {
	c.window = max(c.window, 1)
	t.Run(name, func(t *testing.T) { test(t, c) })
	if c.apart = c.loops > 1; c.apart {
		t.Run(name+", apart", func(t *testing.T) { test(t, c) })
	}
}

// TestPublishAllocatesNothing holds a message in the steady state to no
// allocation at all, from the bytes of its PUBLISH to those of every copy and
// every acknowledgement.
func TestPublishAllocatesNothing(t *testing.T) {
	const policy = "* may connect; id:pub may publish bench/#; * may subscribe bench/+"
	const tokens = "* may connect; user:nobody may publish {principal.clientId}/#; * may publish bench/+; * may subscribe bench/+"
	for _, c := range []struct {
		name string
		run  runConfig
	}{
		{"QoS 0, 5.0, one loop", runConfig{loops: 1, version: codec.V5, qos: 0}},
		{"QoS 0, 5.0, two loops", runConfig{loops: 2, version: codec.V5, qos: 0}},
		{"QoS 0, 3.1.1, one loop", runConfig{loops: 1, version: codec.V311, qos: 0}},
		{"QoS 0, 3.1.1, two loops", runConfig{loops: 2, version: codec.V311, qos: 0}},
		{"QoS 1, 5.0, one loop", runConfig{loops: 1, version: codec.V5, qos: 1}},
		{"QoS 1, 5.0, two loops", runConfig{loops: 2, version: codec.V5, qos: 1}},
		{"QoS 1, 3.1.1, one loop", runConfig{loops: 1, version: codec.V311, qos: 1}},
		{"QoS 1, 3.1.1, two loops", runConfig{loops: 2, version: codec.V311, qos: 1}},
		{"QoS 2, 5.0, one loop", runConfig{loops: 1, version: codec.V5, qos: 2}},
		{"QoS 2, 5.0, two loops", runConfig{loops: 2, version: codec.V5, qos: 2}},
		{"QoS 2, 3.1.1, one loop", runConfig{loops: 1, version: codec.V311, qos: 2}},
		{"QoS 2, 3.1.1, two loops", runConfig{loops: 2, version: codec.V311, qos: 2}},
		{"fan-out to 50, QoS 0", runConfig{loops: 1, version: codec.V5, qos: 0, receivers: 50}},
		{"fan-out to 50, QoS 0, two loops", runConfig{loops: 2, version: codec.V5, qos: 0, receivers: 50}},
		{"fan-out to 50, QoS 1, two loops", runConfig{loops: 2, version: codec.V5, qos: 1, receivers: 50}},
		{"window of 32, QoS 1, two loops", runConfig{loops: 2, version: codec.V5, qos: 1, window: 32}},
		{"alternating topics", runConfig{loops: 1, version: codec.V5, qos: 0, topics: 2}},
		{"alternating topics, two loops", runConfig{loops: 2, version: codec.V5, qos: 1, topics: 2}},
		{"100 topics in turn", runConfig{loops: 1, version: codec.V5, qos: 0, topics: 100}},
		{"with a policy", runConfig{loops: 1, version: codec.V5, qos: 0, policy: policy}},
		{"with a policy, alternating topics", runConfig{loops: 1, version: codec.V5, qos: 1, topics: 2, policy: policy}},
		{"with a policy, two loops", runConfig{loops: 2, version: codec.V5, qos: 1, policy: policy}},
		{"with a policy of tokens, alternating topics", runConfig{loops: 1, version: codec.V5, qos: 0, topics: 2, policy: tokens}},
		{"payload of 4 KiB, QoS 1, two loops", runConfig{loops: 2, version: codec.V5, qos: 1, payload: 4 << 10}},
		{"payload of 16 KiB, QoS 0", runConfig{loops: 1, version: codec.V5, qos: 0, payload: 16 << 10, window: 8}},
		{"payload of 16 KiB, QoS 0, two loops", runConfig{loops: 2, version: codec.V5, qos: 0, payload: 16 << 10, window: 8}},
		{"payload of 16 KiB, QoS 1, two loops", runConfig{loops: 2, version: codec.V5, qos: 1, payload: 16 << 10, window: 8}},
		{"payload of 16 KiB, fan-out to 50", runConfig{loops: 2, version: codec.V5, qos: 0, payload: 16 << 10, receivers: 50}},
	} {
		eachPlacement(t, c.name, c.run, func(t *testing.T, run runConfig) {
			r := newEngineRun(t, run)
			// A Receive Maximum of identifiers and every topic once, so that
			// what grows with use has grown.
			for range 300 {
				r.once(t)
			}
			if n := testing.AllocsPerRun(300, func() { r.once(t) }); n != 0 {
				t.Errorf("%v allocations for each window", n)
			}
		})
	}
}

// TestPublishWithTLSAllocatesReaders holds a message between Clients with TLS to
// what crypto/tls allocates: a reader of 24 bytes each time that it refills its
// buffer, in (*tls.Conn).readFromUntil. That cannot be avoided from outside of
// it, but it is once for whatever has arrived, however many messages that is.
// The peers here are made of the same parts, so theirs count too; sealing, and
// everything of the engine's own, takes nothing.
func TestPublishWithTLSAllocatesReaders(t *testing.T) {
	const policy = "* may connect; id:pub may publish bench/#; * may subscribe bench/+"
	for _, c := range []struct {
		name string
		run  runConfig
	}{
		{"QoS 0", runConfig{loops: 1, qos: 0}},
		{"QoS 0, two loops", runConfig{loops: 2, qos: 0}},
		{"QoS 1", runConfig{loops: 1, qos: 1}},
		{"QoS 1, two loops", runConfig{loops: 2, qos: 1}},
		{"QoS 2", runConfig{loops: 1, qos: 2}},
		{"QoS 2, two loops", runConfig{loops: 2, qos: 2}},
		{"window of 32, QoS 0", runConfig{loops: 1, qos: 0, window: 32}},
		{"window of 32, QoS 1, two loops", runConfig{loops: 2, qos: 1, window: 32}},
		{"window of 32, QoS 2, two loops", runConfig{loops: 2, qos: 2, window: 32}},
		{"fan-out to 50, QoS 1, two loops", runConfig{loops: 2, qos: 1, receivers: 50}},
		{"payload of 4 KiB, QoS 1, two loops", runConfig{loops: 2, qos: 1, payload: 4 << 10}},
		{"with a policy, QoS 1, two loops", runConfig{loops: 2, qos: 1, policy: policy}},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c.run.version, c.run.tls = codec.V5, version
			eachPlacement(t, c.name+", "+tls.VersionName(version), c.run, func(t *testing.T, run runConfig) {
				r := newEngineRun(t, run)
				for range 300 {
					r.once(t)
				}
				// Each end of a message has this many packets, and those of a window
				// arrive together.
				feeds := (1 + r.receivers) * [...]int{1, 2, 4}[r.qos]
				before := r.feeds()
				if r.once(t); r.feeds()-before != feeds {
					t.Errorf("ciphertext arrives %d times for each window, want %d", r.feeds()-before, feeds)
				}
				if n := testing.AllocsPerRun(300, func() { r.once(t) }); n != float64(feeds) {
					t.Errorf("%v allocations for each window, want %d, one for each time that ciphertext arrives", n, feeds)
				}
				for _, mc := range append(r.subs, r.pub) {
					if mc.sealed.err != nil {
						t.Error(mc.sealed.err)
					}
				}
			})
		}
	}
}

// feeds is how often ciphertext has arrived anywhere.
func (r *engineRun) feeds() int {
	n := r.pub.sealed.feeds
	for _, mc := range r.subs {
		n += mc.sealed.feeds
	}
	return n
}

// TestSharedSubscriptionsAllocateNothing publishes to a group, with and without
// a partition.
func TestSharedSubscriptionsAllocateNothing(t *testing.T) {
	for strategy := range sharedStrategies {
		for _, partition := range []string{"", "7"} {
			t.Run(strategy.String()+"/partition="+partition, func(t *testing.T) {
				e, m := newMemoryEngine(t, Options{SharedSubscriptions: strategy}, 2)
				p := &port{engine: e, name: "run"}
				p.policy.Store(newPolicy(&Listener{}))
				pub := connectClient(t, m, p, "pub", codec.V5)
				r := &engineRun{runConfig: runConfig{version: codec.V5, receivers: 1, window: 1}, m: m, pub: pub}
				for i := range 4 {
					sub := connectClient(t, m, p, fmt.Sprint("sub", i), codec.V5)
					subscribeClient(t, m, sub, codec.V5, "$share/g/t", codec.QoS1)
					r.subs = append(r.subs, sub)
				}
				q := codec.Publish{TopicName: []byte("t"), Payload: make([]byte, 64), QoS: codec.QoS1, PacketID: 1}
				if partition != "" {
					q.Forward = codec.UserProperties(nil).Append("other", "x").Append(partitionProperty, partition)
				}
				r.in = [][]byte{codec.AppendPublish(nil, codec.V5, &q)}
				for range 300 {
					r.once(t)
				}
				if n := testing.AllocsPerRun(300, func() { r.once(t) }); n != 0 {
					t.Errorf("%v allocations", n)
				}
			})
		}
	}
}

func TestPingAndCutPacketsAllocateNothing(t *testing.T) {
	r := newEngineRun(t, runConfig{loops: 1, version: codec.V5, qos: codec.QoS0, window: 1})
	ping := codec.AppendPingreq(nil)
	publish := r.in[0]
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"PINGREQ", func() { r.pub.send(ping) }},
		{"PUBLISH in two reads", func() { r.pub.send(publish[:5]); r.pub.send(publish[5:]) }},
		{"PUBLISH to oneself", func() { r.subs[0].send(publish) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := func() {
				c.run()
				r.m.settle()
				r.pub.toPeer, r.subs[0].toPeer = r.pub.toPeer[:0], r.subs[0].toPeer[:0]
			}
			run()
			if n := testing.AllocsPerRun(300, run); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func TestWebSocketAllocatesNothing(t *testing.T) {
	r := newWebSocketRun(t, 200, 4)
	r.once()
	if len(dataOf(serverFrames(t, r.mc.toPeer))) < 4*200 {
		t.Fatal("the messages did not come back")
	}
	if n := testing.AllocsPerRun(300, r.once); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
