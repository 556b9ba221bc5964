package engine

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/sessions")

// TestConversations plays the conversations in testdata/sessions on engines
// with one, two and three loops. What the engine says must be what the file
// says, however many loops it has; -update rewrites the file.
//
// A file is cases, each of which begins with "== " and has an engine of its
// own. Lines with '#' are comments. What Clients and the test do:
//
//	limits Field=value ...     Limits of the engine; first in a case
//	shared STRATEGY            Options.SharedSubscriptions; before what starts the engine
//	policy WHO may ACTION TOPIC ...; ...
//	                           the port gets this policy; WHO is *, id:X or user:X
//	policy-disconnect ...      the same with OnPolicyChange Disconnect
//	gate                       the port gets an Authenticator and Authorizer that wait for answers
//	gate authenticator         only an Authenticator; "disconnect-expired" may follow
//	answer CLIENT QUESTION ... VERDICT
//	                           VERDICT is allow, deny, fail, panic, or the time it expires in,
//	                           of a re-authentication also deny:CODE, away, or as:NAME;
//	                           or "timeout", to wait for the engine to lose patience
//	set-clock DURATION         sets the wall clock so much ahead, and has it noticed
//	dial CLIENT [VERSION]      opens a Network Connection
//	> CLIENT PACKET            sends a packet, on a new Network Connection if there is none
//	>+ CLIENT PACKET           the same, in one read with the next
//	lose CLIENT                loses the Network Connection
//	window CLIENT BYTES        the Client takes so many bytes more, then no more
//	read CLIENT BYTES          it takes so many more
//	advance DURATION           moves the clock
//	sweep                      removes retained messages that have expired
//
// and what comes of it, by Client in the order in which they first appear:
//
//	< CLIENT PACKET
//	closed CLIENT REASON
//	= Field=value ...          Stats, asked for with "stats Field ..."
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/sessions/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				played := ""
				for _, c := range conversationsIn(string(text)) {
					played += playInBubble(t, c, 1)
				}
				if err := os.WriteFile(file, []byte(played), 0o644); err != nil {
					t.Fatal(err)
				}
				text = []byte(played)
			}
			for _, c := range conversationsIn(string(text)) {
				title, _, _ := strings.Cut(c, "\n")
				t.Run(strings.TrimPrefix(title, "== "), func(t *testing.T) {
					for _, loops := range []int{1, 2, 3} {
						t.Run(fmt.Sprintf("loops=%d", loops), func(t *testing.T) {
							if played := playInBubble(t, c, loops); played != c {
								t.Errorf("this was said, where '-' is expected and '+' is new:\n%s", lineDiff(c, played))
							}
						})
					}
				})
			}
		})
	}
}

// conversationsIn cuts a file into its cases. What stands before the first
// belongs to it.
func conversationsIn(text string) (cases []string) {
	for text != "" {
		n := strings.Index(text[min(3, len(text)):], "\n== ")
		if n < 0 {
			return append(cases, text)
		}
		n += min(3, len(text)) + 1
		cases = append(cases, text[:n])
		text = text[n:]
	}
	return cases
}

// lineDiff shows two texts with what differs marked. Both have the same input
// lines, so the next equal line is where they go on together.
func lineDiff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for len(w) > 0 || len(g) > 0 {
		switch {
		case len(w) > 0 && len(g) > 0 && w[0] == g[0]:
			b.WriteString("  " + w[0] + "\n")
			w, g = w[1:], g[1:]
		case len(w) > 0 && isOutput(w[0]):
			b.WriteString("- " + w[0] + "\n")
			w = w[1:]
		case len(g) > 0:
			b.WriteString("+ " + g[0] + "\n")
			g = g[1:]
		default:
			b.WriteString("- " + w[0] + "\n")
			w = w[1:]
		}
	}
	return b.String()
}

func isOutput(line string) bool {
	return strings.HasPrefix(line, "< ") || strings.HasPrefix(line, "closed ") || strings.HasPrefix(line, "= ")
}

// conversation is one case at work.
type conversation struct {
	t       testing.TB
	loops   int
	limits  Limits
	shared  SharedStrategy
	e       *Engine
	m       *memoryReactor
	port    *port
	gate    *gate
	clients []*talker
	out     strings.Builder
}

// talker is a Client of a conversation.
type talker struct {
	name     string
	version  codec.Version
	mc       *memoryConn // of its last Network Connection
	said     bool        // that it was closed
	gathered []byte      // to be sent with the next packet
	unread   []byte      // the beginning of a packet, for which the window was too small
}

// playInBubble is playConversation in a bubble, whose time is the goroutines':
// what they wait for ends when the conversation says so, however slow they are.
func playInBubble(t *testing.T, text string, loops int) (played string) {
	synctest.Test(t, func(t *testing.T) { played = playConversation(t, text, loops) })
	return played
}

// playConversation plays the input of a case and returns it with the output
// that it had. It needs a bubble if there is a gate.
func playConversation(t testing.TB, text string, loops int) string {
	c := &conversation{t: t, loops: loops}
	for line := range strings.Lines(text) {
		if !isOutput(line) {
			c.play(line)
		}
	}
	if c.e != nil {
		checkEngine(t, c.e)
	}
	return c.out.String()
}

// play plays one line, which ends with a line break, and writes it down with
// what comes of it.
func (c *conversation) play(line string) {
	c.t.Helper()
	c.out.WriteString(line)
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || strings.HasPrefix(line, "== ") {
		return
	}
	c.do(line)
	c.listen()
}

func (c *conversation) fatalf(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf(format, args...)
}

// do plays one line.
func (c *conversation) do(line string) {
	c.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	if verb == "limits" {
		c.setLimits(rest)
		return
	}
	if verb == "shared" {
		strategy, err := ParseSharedStrategy(rest)
		if err != nil {
			c.fatalf("%v", err)
		}
		c.shared = strategy
		return
	}
	c.start()
	switch verb {
	case "policy":
		c.setPolicy(rest, Reevaluate)
		return
	case "policy-disconnect":
		c.setPolicy(rest, Disconnect)
		return
	case "gate":
		c.setGate(rest)
		return
	case "set-clock":
		d, err := time.ParseDuration(rest)
		if err != nil {
			c.fatalf("%v", err)
		}
		c.m.wallStep += d
		for _, l := range c.e.loops {
			l.post((*loop).rewatchExpiries)
		}
		c.settle()
		return
	case "advance":
		d, err := time.ParseDuration(rest)
		if err != nil {
			c.fatalf("%s: %v", line, err)
		}
		c.m.advance(d)
		return
	case "sweep":
		c.e.retained.sweep(c.m.clock)
		return
	case "stats":
		c.stats(strings.Fields(rest))
		return
	}
	name, rest, _ := strings.Cut(rest, " ")
	k := c.talker(name)
	switch verb {
	case "dial":
		if rest != "" {
			k.version = versionOf(c.t, rest)
		}
		c.dial(k)
	case ">", ">+":
		k.gathered = append(k.gathered, encodePacket(c.t, k, rest)...)
		if verb == ">+" {
			return
		}
		if k.mc == nil || k.mc.closed {
			c.dial(k)
		}
		k.mc.send(k.gathered)
		k.gathered = nil
		c.settle()
	case "lose":
		k.mc.drop()
		k.said = true
		if c.gate != nil {
			delete(c.gate.waiting, name)
		}
		c.settle()
	case "window":
		k.mc.window = atoi(c.t, rest)
	case "read":
		k.mc.open(atoi(c.t, rest))
	case "answer":
		c.answer(k, rest)
	default:
		c.fatalf("%q is not a line of a conversation", line)
	}
}

// start makes the engine, once its limits are known.
func (c *conversation) start() {
	if c.e != nil {
		return
	}
	c.e, c.m = newMemoryEngine(c.t, Options{Limits: c.limits, SharedSubscriptions: c.shared}, c.loops)
	c.port = &port{engine: c.e, name: "test"}
	c.port.policy.Store(newPolicy(&Listener{}))
}

func (c *conversation) talker(name string) *talker {
	for _, k := range c.clients {
		if k.name == name {
			return k
		}
	}
	k := &talker{name: name, version: codec.V5}
	c.clients = append(c.clients, k)
	return k
}

func (c *conversation) dial(k *talker) {
	if k.mc != nil && !k.mc.closed {
		c.fatalf("%s is connected", k.name)
	}
	k.mc, k.said, k.unread = c.m.dial(c.port), false, nil
}

// settle runs the loops until nothing more comes of what has happened, and
// takes what goroutines ask the gate.
func (c *conversation) settle() {
	c.m.settle()
	for c.gate != nil {
		synctest.Wait()
		select {
		case q := <-c.gate.asked:
			c.gate.waiting[q.client] = q
		case <-c.m.signal:
			c.m.settle()
		default:
			return
		}
	}
}

// listen writes down what Clients were sent.
func (c *conversation) listen() {
	for _, k := range c.clients {
		if k.mc == nil {
			continue
		}
		k.unread = append(k.unread, k.mc.take()...)
		for {
			text, size := describePacket(k.version, k.unread)
			if size == 0 {
				break
			}
			fmt.Fprintf(&c.out, "< %s %s\n", k.name, text)
			k.unread = k.unread[size:]
		}
		if k.mc.closed && !k.said {
			k.said = true
			fmt.Fprintf(&c.out, "closed %s %v\n", k.name, k.mc.conn.reason)
		}
	}
}

// setLimits sets fields of Limits by their names.
func (c *conversation) setLimits(text string) {
	v := reflect.ValueOf(&c.limits).Elem()
	for _, setting := range strings.Fields(text) {
		name, value, _ := strings.Cut(setting, "=")
		f := v.FieldByName(name)
		switch {
		case !f.IsValid():
			c.fatalf("Limits has no field %q", name)
		case f.Type() == reflect.TypeFor[time.Duration]():
			d, err := time.ParseDuration(value)
			if err != nil {
				c.fatalf("%s: %v", setting, err)
			}
			f.SetInt(int64(d))
		case f.CanInt():
			f.SetInt(int64(atoi(c.t, value)))
		default:
			f.SetUint(uint64(atoi(c.t, value)))
		}
	}
}

// stats writes down counters, summed over the loops.
func (c *conversation) stats(fields []string) {
	var sum Stats
	for _, l := range c.e.loops {
		s := l.stats
		s.Connections = int64(l.conns.len)
		sum.add(&s)
	}
	sum.Retained = int64(c.e.retained.index.Len())
	sum.RetainedBytes = c.e.retained.bytes.Load()
	sum.RetainedExpired = c.e.retained.expired.Load()
	sum.RetainedRefused = c.e.retained.refused.Load()
	sum.BytesHeld += c.e.held.fromStore.Load()
	sum.SubscriptionBytes = c.e.filters.Load()
	c.out.WriteString("=")
	for _, name := range fields {
		v, ok := statistic(&sum, name)
		if !ok {
			c.fatalf("Stats has no %q", name)
		}
		fmt.Fprintf(&c.out, " %s=%s", name, v)
	}
	c.out.WriteString("\n")
}

// statistic is the field of s with this name; of DroppedFor that of one cause,
// as in DroppedFor:queue-full.
func statistic(s *Stats, name string) (value string, ok bool) {
	if cause, ok := strings.CutPrefix(name, "DroppedFor:"); ok {
		i := slices.Index(dropCauseNames[:], strings.ReplaceAll(cause, "-", " "))
		if i < 0 {
			return "", false
		}
		return fmt.Sprint(s.DroppedFor[i]), true
	}
	f := reflect.ValueOf(s).Elem().FieldByName(name)
	if !f.IsValid() {
		return "", false
	}
	return fmt.Sprint(f), true
}

// setPolicy changes the port as Engine.Apply does.
func (c *conversation) setPolicy(text string, onChange PolicyChange) {
	spec := Listener{Authenticator: testAuthenticator, Authorizer: compilePolicy(c.t, text), OnPolicyChange: onChange}
	changed, err := c.port.change(spec)
	if err != nil || !changed {
		c.fatalf("the policy did not change: %v", err)
	}
	c.e.recheck(c.port)
	c.m.settle()
}

// compilePolicy reads rules such as "id:a may publish a/# b; * may connect".
func compilePolicy(t testing.TB, text string) *security.Table {
	t.Helper()
	var p security.Policy
	for rule := range strings.SplitSeq(text, ";") {
		words := strings.Fields(rule)
		if len(words) == 0 {
			continue
		}
		if len(words) < 3 || words[1] != "may" {
			t.Fatalf("rule %q: want WHO may ACTION TOPIC ...", rule)
		}
		var who security.Principals
		kind, name, _ := strings.Cut(words[0], ":")
		switch kind {
		case "*":
			who.ClientIDs = []string{"{principal.clientId}"}
		case "id":
			who.ClientIDs = []string{name}
		case "user":
			who.Usernames = []string{name}
		default:
			t.Fatalf("rule %q: WHO is *, id:X or user:X", rule)
		}
		action, err := security.ParseAction(words[2])
		if err != nil {
			t.Fatal(err)
		}
		p.Rules = append(p.Rules, security.Rule{
			Principals:      who,
			BrokerResources: []security.BrokerResource{{Method: action, Topics: words[3:]}},
		})
	}
	table, err := security.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func atoi(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}
