package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestRandomConversationsDoNotDependOnLoops lets a few Clients do anything at
// all, mostly right, and compares what an engine with one loop says with what
// engines with two and three say. Each of them also has to be in order
// afterwards.
func TestRandomConversationsDoNotDependOnLoops(t *testing.T) {
	manySeeds(t, func(t *testing.T, r *rand.Rand) {
		text := randomConversation(t, r, 500)
		want := inAnyOrder(text)
		for _, loops := range []int{2, 3} {
			if got := inAnyOrder(playConversation(t, text, loops)); got != want {
				t.Fatalf("with %d loops this is said, where '-' is with one and '+' with more:\n%s", loops, lineDiff(want, got))
			}
		}
	})
}

// inAnyOrder sorts what came of lines that set off several things at once,
// whose order is nobody's business: timers, and retained messages.
func inAnyOrder(text string) string {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "advance") && !strings.Contains(lines[i], "SUBSCRIBE") {
			continue
		}
		end := i + 1
		for end < len(lines) && isOutput(lines[end]) {
			end++
		}
		slices.Sort(lines[i+1 : end])
	}
	return strings.Join(lines, "\n")
}

// randomizer makes up a conversation while it is held on one loop, so that it
// can acknowledge what there is to acknowledge.
type randomizer struct {
	*conversation
	r *rand.Rand
}

// randomConversation returns a conversation between Clients c0 to c5, of whom
// c0 and c5 have one Client Identifier, so that they take over from each other.
func randomConversation(t testing.TB, r *rand.Rand, lines int) string {
	z := &randomizer{&conversation{t: t, loops: 1}, r}
	z.play("== random\n")
	z.play("limits ReceiveMaximum=5 QueuedMessages=6 Inflight=3\n")
	for n := range 6 {
		z.play(fmt.Sprintf("> c%d %s\n", n, z.connect(n%5)))
	}
	for range lines {
		n := r.IntN(6)
		k := z.talker(fmt.Sprint("c", n))
		switch {
		case r.IntN(25) == 0:
			z.play(fmt.Sprintf("advance %ds\n", 1+r.IntN(20)))
		case k.mc == nil || k.mc.closed:
			z.play(fmt.Sprintf("> %s %s\n", k.name, z.connect(n%5)))
		case r.IntN(30) == 0:
			z.play("lose " + k.name + "\n")
		default:
			z.play(fmt.Sprintf("> %s %s\n", k.name, z.packet(k)))
		}
	}
	checkEngine(t, z.e)
	return z.out.String()
}

func (z *randomizer) of(choices ...string) string { return choices[z.r.IntN(len(choices))] }

func (z *randomizer) connect(id int) string {
	if z.r.IntN(4) == 0 {
		return fmt.Sprintf("CONNECT v3.1.1 client=id%d %s", id, z.of("", "", "clean"))
	}
	return fmt.Sprintf("CONNECT v5 client=id%d %s %s %s %s", id, z.of("", "", "", "", "clean"),
		z.of("", "expiry=10", "expiry=30", "expiry=never"),
		z.of("", "", "receive-maximum=1", "receive-maximum=2", "topic-alias-maximum=2", "maximum-packet-size=25"),
		z.of("", "will=w/1 will-payload=gone", "will=w/2 will-delay=5 will-payload=gone", "will=w/3 will-retain will-delay=20 will-payload=gone"))
}

// packet makes up what a Client that is connected sends.
func (z *randomizer) packet(k *talker) string {
	r := z.r
	switch n := r.IntN(40); {
	case n < 5:
		share := z.of("", "", "$share/g/", "$share/h/")
		option := z.of("", "", "retain-as-published", "retain-handling=1")
		if share == "" && r.IntN(3) == 0 {
			option = "no-local"
		}
		return fmt.Sprintf("SUBSCRIBE id=1 subscription-id=%d filter=%s%s q%d %s", 1+r.IntN(3),
			share, z.of("a", "+", "#", "a/b", "a/+", "a/#", "w/#"), r.IntN(3), option)
	case n < 7:
		return fmt.Sprintf("UNSUBSCRIBE id=1 filter=%s%s", z.of("", "$share/g/"), z.of("a", "+", "#", "a/b", "a/+"))
	case n < 9:
		return fmt.Sprintf("PUBLISH q0 retain topic=%s payload=%s", z.of("a", "a/b", "a/c"), z.of("", "r1", "r2"))
	case n < 20:
		return fmt.Sprintf("PUBLISH q%d id=%d topic=%s payload=%d %s", r.IntN(3), 1+r.IntN(4), z.of("a", "a/b", "a/c", "b"), r.IntN(1000),
			z.of("", "", "", "expiry=5", "content=x user-property=k:v"))
	case n < 24:
		return fmt.Sprintf("PUBREL id=%d", 1+r.IntN(4))
	case n < 37:
		return z.acknowledge(k)
	case n < 38:
		return "PINGREQ"
	case n < 39:
		// A Protocol Error, or an acknowledgement of an earlier connection.
		return fmt.Sprintf("%s id=%d", z.of("PUBACK", "PUBREC", "PUBCOMP"), 1+r.IntN(8))
	}
	return "DISCONNECT"
}

// acknowledge goes on with the handshake of any message in flight.
func (z *randomizer) acknowledge(k *talker) string {
	f := &k.mc.conn.session.inTransit().inflight
	ids := f.inOrder(nil)
	if len(ids) == 0 {
		return "PINGREQ"
	}
	e := f.slots[int(ids[z.r.IntN(len(ids))])&(len(f.slots)-1)]
	code := ""
	if k.mc.conn.version >= 5 && z.r.IntN(5) == 0 {
		code = " rc=0x80"
	}
	switch e.state {
	case awaitPuback:
		return fmt.Sprintf("PUBACK id=%d%s", e.id, code)
	case awaitPubrec:
		return fmt.Sprintf("PUBREC id=%d%s", e.id, code)
	}
	return fmt.Sprintf("PUBCOMP id=%d", e.id)
}
