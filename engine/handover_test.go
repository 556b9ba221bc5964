package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weirmq/weir/codec"
)

// sharing is a conversation of members of one Shared Subscription, who answer
// what they are sent when the test says so.
type sharing struct {
	*conversation
	unanswered map[string][]string // by member: the answers that it has not sent
	answered   map[string]int      // by payload: how often a member answered it
	had        map[string]string   // by payload of QoS 2: the Session that was sent it
	session    map[string]int      // by member: which of its Sessions it is in
}

// listen takes what the members were sent.
func (s *sharing) listen() {
	for _, k := range s.clients {
		if k.mc == nil {
			continue
		}
		k.unread = append(k.unread, k.mc.take()...)
		for {
			text, size := describePacket(k.version, k.unread)
			if size == 0 {
				break
			}
			k.unread = k.unread[size:]
			s.hear(k.name, strings.Fields(text))
		}
	}
}

func (s *sharing) hear(member string, words []string) {
	a := &arguments{s.t, words[1:]}
	switch words[0] {
	case "CONNACK":
		if !a.flag("present") {
			s.session[member]++
		}
		s.unanswered[member] = nil
	case "PUBLISH":
		id, _ := a.number("id")
		payload, _ := a.text("payload")
		answer := fmt.Sprintf("PUBACK id=%d payload=%s", id, payload)
		if a.qos("q") == codec.QoS2 {
			answer = fmt.Sprintf("PUBREC id=%d payload=%s", id, payload)
			to := fmt.Sprint(member, s.session[member])
			if had := s.had[payload]; had != "" && had != to {
				s.t.Fatalf("%s was sent to %s, and then to %s", payload, had, to)
			}
			s.had[payload] = to
		}
		s.unanswered[member] = append(s.unanswered[member], answer)
	case "PUBREL":
		id, _ := a.number("id")
		s.say(fmt.Sprintf("> %s PUBCOMP id=%d", member, id))
	}
}

func (s *sharing) say(line string) {
	s.do(line)
	s.listen()
}

func (s *sharing) connected(member string) bool {
	mc := s.talker(member).mc
	return mc != nil && !mc.closed
}

// answer sends the first answer that a member owes.
func (s *sharing) answer(member string) {
	owed := s.unanswered[member]
	if len(owed) == 0 || !s.connected(member) {
		return
	}
	s.unanswered[member] = owed[1:]
	packet, payload, _ := strings.Cut(owed[0], " payload=")
	s.answered[payload]++
	s.say("> " + member + " " + packet)
}

// TestSharedMessagesAreNeitherLostNorGivenToTwo has members come, go and end at
// random. While one stays, each message is answered by someone; one with QoS 2
// by one only, unless the Session that had it ended [MQTT-4.8.2-4] [MQTT-4.8.2-5].
func TestSharedMessagesAreNeitherLostNorGivenToTwo(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		strategy := SharedStrategy(r.IntN(int(sharedStrategies)))
		s := &sharing{
			conversation: &conversation{t: t, loops: 1 + r.IntN(3), shared: strategy, limits: Limits{Inflight: 3}},
			unanswered:   make(map[string][]string), answered: make(map[string]int),
			had: make(map[string]string), session: make(map[string]int),
		}
		join := func(member, options string) {
			s.say("> " + member + " CONNECT v5 " + options)
			s.say("> " + member + " SUBSCRIBE id=1 filter=$share/g/t q2")
		}
		s.say("> p CONNECT v5 clean")
		join("keeper", "expiry=never")
		members := []string{"keeper", "a", "b", "c"}
		published := 0
		for range 300 {
			m := members[r.IntN(len(members))]
			switch n := r.IntN(10); {
			case n < 4:
				published++
				s.say(fmt.Sprintf("> p PUBLISH q%d id=%d topic=t payload=%d", 1+published%2, published, published))
				if published%2 == 1 {
					s.say(fmt.Sprintf("> p PUBREL id=%d", published))
				}
			case n < 7:
				s.answer(m)
			case !s.connected(m):
				options := "expiry=5"
				if m == "keeper" {
					options = "expiry=never"
				} else if r.IntN(3) == 0 {
					options = "clean expiry=5"
				}
				join(m, options)
			case n == 7:
				s.say("lose " + m)
			case n == 8 && m != "keeper":
				s.say("> " + m + " DISCONNECT expiry=0")
			default:
				s.say("advance 3s")
			}
		}
		for _, m := range members[1:] {
			if s.connected(m) {
				s.say("> " + m + " DISCONNECT expiry=0")
			}
		}
		s.say("advance 10s")
		if !s.connected("keeper") {
			join("keeper", "expiry=never")
		}
		for len(s.unanswered["keeper"]) > 0 {
			s.answer("keeper")
		}
		for i := range published {
			payload := fmt.Sprint(i + 1)
			lost := s.answered[payload] == 0
			if q2 := (i+1)%2 == 1; q2 && lost && s.had[payload] != "" && !strings.HasPrefix(s.had[payload], "keeper") {
				continue // the Session that had it has ended
			}
			if lost {
				t.Fatalf("seed %d, %v: nobody answered %s of %d", seed, strategy, payload, published)
			}
		}
		checkEngine(t, s.e)
	}
}

// A delivery can be on its way to a loop while the Session that it is for ends
// there.
func TestWhatComesForASessionThatHasEndedGoesToAnotherMember(t *testing.T) {
	for _, loops := range []int{1, 2} {
		s := &sharing{conversation: &conversation{t: t, loops: loops}, unanswered: make(map[string][]string), answered: make(map[string]int), session: make(map[string]int)}
		for _, m := range []string{"a", "b"} {
			s.say("> " + m + " CONNECT v5 clean")
			s.say("> " + m + " SUBSCRIBE id=1 filter=$share/g/t q1")
		}
		home, _ := s.e.registry.Load("a")
		stale := home.routeOf([]byte("t")).shared[0].members
		s.say("> a DISCONNECT")
		for i := range stale {
			if stale[i].session.clientID != "a" {
				continue
			}
			home.begin()
			p := publication{topic: "t", payload: []byte("late"), qos: codec.QoS1}
			home.deliver(&p, stale[i:i+1])
			p.done(home)
			home.end()
		}
		s.settle()
		s.listen()
		if got := fmt.Sprint(s.unanswered["b"]); got != "[PUBACK id=1 payload=late]" {
			t.Errorf("loops=%d: b owes %s", loops, got)
		}
		checkEngine(t, s.e)
	}
}
