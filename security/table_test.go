package security

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// source makes choices from bytes, so that random tests and the fuzzer share
// one generator. It chooses 0 once the bytes have run out.
type source struct{ data []byte }

func (s *source) pick(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	c := s.data[0]
	s.data = s.data[1:]
	return int(c) % n
}

func (s *source) of(list ...string) string { return list[s.pick(len(list))] }

func (s *source) many(limit int, one func() string) (list []string) {
	for range s.pick(limit + 1) {
		list = append(list, one())
	}
	return list
}

var randomTokens = []string{"{principal.clientId}", "{principal.username}", "{principal.attributes.g}", "{principal.attributes.x/y}"}

// policy makes a policy that compiles, from so small an alphabet that requests
// often match.
func (s *source) policy() (p Policy) {
	for range s.pick(5) {
		var r Rule
		name := func() string {
			return s.of("a", "b", "*", s.of(randomTokens...), "a"+s.of(randomTokens...), s.of(randomTokens...)+s.of(randomTokens...))
		}
		r.Principals.ClientIDs = s.many(2, name)
		r.Principals.Usernames = s.many(2, name)
		for range s.pick(3) {
			m := map[string]string{"g": s.of("a", "b", "")}
			if s.pick(2) == 1 {
				m[s.of("h", "x/y", "g")] = s.of("a", "b", "a/b")
			}
			r.Principals.Attributes = append(r.Principals.Attributes, m)
		}
		for range s.pick(4) {
			b := BrokerResource{Method: Action(1 + s.pick(3))}
			if s.pick(3) == 0 {
				b.ClientIDs = s.many(2, func() string {
					return s.of("a", "*", "a*", "*b", "*a*b*", "a*a", `\*`, s.of(randomTokens...)+s.of("", "*"), "*"+s.of(randomTokens...))
				})
			}
			if b.Method != ActionConnect {
				b.Topics = append(s.many(2, s.ruleFilter), s.ruleFilter())
			}
			r.BrokerResources = append(r.BrokerResources, b)
		}
		p.Rules = append(p.Rules, r)
	}
	return p
}

func (s *source) ruleFilter() string {
	var levels []string
	for range 1 + s.pick(3) {
		levels = append(levels, s.of("a", "b", "+", "", "$SYS", s.of(randomTokens...)))
	}
	if s.pick(3) == 0 {
		levels = append(levels, "#")
	}
	if f := strings.Join(levels, "/"); f != "" {
		return f
	}
	return "#"
}

func (s *source) principal() *Principal {
	value := func() string {
		return s.of("a", "b", "", "$SYS", "ab", "a/b", "+", "#", "*", "aXb", "aa", "\x00", "{principal.username}")
	}
	attributes := map[string]string{}
	for range s.pick(4) {
		attributes[s.of("g", "h", "x/y")] = value()
	}
	return &Principal{ClientID: value(), Username: value(), Attributes: NewAttributes(attributes)}
}

func (s *source) topic() string {
	topic := s.of("", "", "", "$share/a/", "$share//", "$share/")
	for i := range s.pick(5) {
		if i > 0 {
			topic += "/"
		}
		topic += s.of("a", "b", "+", "#", "", "$SYS", "a+", "{principal.username}")
	}
	return topic
}

// checkAgainstExplain makes a policy, a few principals and requests of data,
// and holds the tables to Explain. It returns how many requests were allowed.
func checkAgainstExplain(t *testing.T, data []byte) (allowed int) {
	t.Helper()
	s := &source{data}
	p := s.policy()
	table, err := Compile(p)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}

	type request struct {
		class  *Class
		action Action
		topic  string
	}
	decided := map[request]Decision{}
	for range 3 {
		principal := s.principal()
		grant := table.Bind(principal)
		for range 6 {
			action, topic := Action(s.pick(5)), s.topic()
			e := Explain(p, principal, action, topic)
			got := grant.Decide(action, topic)
			if got != e.Decision || grant.DecideBytes(action, []byte(topic)) != got {
				t.Fatalf("policy %+v\nDecide says %v, Explain %v", p, got, e)
			}
			if (e.Rule >= 0) != bool(e.Decision) || (e.Principal != "") != bool(e.Decision) || (e.Resource != "") != bool(e.Decision) {
				t.Fatalf("policy %+v\nthe explanation is not of a piece: %#v", p, e)
			}
			if got == Allow {
				allowed++
			}

			// What Depends promises: the class is all that counts.
			if grant.Class().Depends(action) {
				continue
			}
			r := request{grant.Class(), action, topic}
			if before, ok := decided[r]; ok && before != got {
				t.Fatalf("policy %+v\n%v %q: class says it does not depend on the principal, but %+v gets %v", p, action, topic, principal, got)
			}
			decided[r] = got
		}
	}
	return allowed
}

func TestDecideAgreesWithExplain(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	data := make([]byte, 400)
	allowed := 0
	const policies = 1500
	for range policies {
		for i := 0; i < len(data); i += 8 {
			binary.LittleEndian.PutUint64(data[i:], rng.Uint64())
		}
		allowed += checkAgainstExplain(t, data)
	}
	// Agreement on nothing but denials would prove little.
	if allowed < policies/4 {
		t.Errorf("only %d of %d requests were allowed", allowed, policies*18)
	}
}

func FuzzDecide(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		data := make([]byte, 200)
		for i := 0; i < len(data); i += 8 {
			binary.LittleEndian.PutUint64(data[i:], rng.Uint64())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkAgainstExplain(t, data) })
}

// FuzzCompile feeds arbitrary text where a policy takes text. Whatever
// compiles must decide as it is explained; whatever does not must say where.
func FuzzCompile(f *testing.F) {
	f.Add("a/{principal.clientId}/#", "{principal.username}", "{principal.attributes.g}*", "a/b", "a", "b")
	f.Add("+/{principal.attributes.g/h}", "a", "*", "$share/g/a", "+", "$SYS")
	f.Add("a/{}/b", "}", "{", "#", "", "")
	f.Fuzz(func(t *testing.T, topic, username, clientID, request, id, user string) {
		p := Policy{Rules: []Rule{{
			Principals: Principals{Usernames: []string{username}},
			BrokerResources: []BrokerResource{
				{Method: ActionConnect, ClientIDs: []string{clientID}},
				{Method: ActionPublish, Topics: []string{topic}},
				{Method: ActionSubscribe, Topics: []string{topic}, ClientIDs: []string{clientID}},
			},
		}}}
		table, err := Compile(p)
		if err != nil {
			var pe *PolicyError
			if !errors.As(err, &pe) || !strings.HasPrefix(pe.Field, "rules[0].") || pe.Problem == "" || pe.Remedy == "" {
				t.Fatalf("unhelpful refusal: %v", err)
			}
			return
		}
		principal := &Principal{ClientID: id, Username: user, Attributes: NewAttributes(map[string]string{"g": user, "g/h": id})}
		for _, a := range []Action{ActionConnect, ActionPublish, ActionSubscribe} {
			e := Explain(p, principal, a, request)
			if got := table.Bind(principal).Decide(a, request); got != e.Decision {
				t.Fatalf("Decide says %v, Explain %v", got, e)
			}
		}
	})
}

func TestPrincipalsWithEqualRulesShareOneClass(t *testing.T) {
	table := mustCompile(t, Policy{Rules: []Rule{
		{Principals: Principals{Attributes: []map[string]string{{"group": "sensor"}}},
			BrokerResources: []BrokerResource{{Method: ActionPublish, Topics: []string{"telemetry/#"}}}},
		{Principals: Principals{Attributes: []map[string]string{{"group": "meter"}}},
			BrokerResources: []BrokerResource{
				{Method: ActionPublish, Topics: []string{"meters/{principal.clientId}"}},
				{Method: ActionConnect, ClientIDs: []string{"{principal.username}-*"}}}},
	}})
	bind := func(id, username, group string) *Grant {
		return table.Bind(&Principal{ClientID: id, Username: username, Attributes: NewAttributes(map[string]string{"group": group})})
	}
	s1, s2 := bind("s1", "s1", "sensor"), bind("s2", "s2", "sensor")
	m1, m2, m3 := bind("m-1", "m", "meter"), bind("m-2", "m", "meter"), bind("x-3", "m", "meter")
	none := bind("n", "n", "")

	if s1 != s2 {
		t.Error("Principals with equal rules and no tokens should share the Grant")
	}
	if m1.Class() != m2.Class() || m1 == m2 {
		t.Error("Principals with equal rules and tokens should share the Class, and not the Grant")
	}
	if m1.Class() == m3.Class() {
		t.Error("clientIds make a difference between Principals, so their Classes must differ")
	}
	if none.Class() == s1.Class() || none.Decide(ActionPublish, "telemetry/a") != Deny {
		t.Error("a Principal without rules has the Class of one with them")
	}
	for _, tc := range []struct {
		grant              *Grant
		publish, subscribe bool
	}{{s1, false, false}, {m1, true, false}, {none, false, false}} {
		c := tc.grant.Class()
		if c.Depends(ActionConnect) || c.Depends(ActionPublish) != tc.publish || c.Depends(ActionSubscribe) != tc.subscribe {
			t.Errorf("%+v: Depends is wrong", c)
		}
	}
	if m1.Decide(ActionConnect, "") != Allow || m3.Decide(ActionConnect, "") != Deny {
		t.Error("Connect must follow clientIds")
	}
}

func TestNilAndZeroGrantsDeny(t *testing.T) {
	for _, g := range []*Grant{nil, {}} {
		for _, a := range []Action{0, ActionConnect, ActionPublish, ActionSubscribe, 9} {
			if g.Decide(a, "a") != Deny || g.DecideBytes(a, nil) != Deny {
				t.Errorf("%v: not denied", a)
			}
		}
		if g.Class() != nil {
			t.Error("there is no Class to have")
		}
	}
	var d Decision
	if d != Deny {
		t.Error("the zero Decision must be Deny")
	}
}

// A pair that every rule asks for must not lead to every rule.
func TestAttributesAreFiledUnderTheirRarestPair(t *testing.T) {
	var p Policy
	for i := range 20 {
		p.Rules = append(p.Rules, Rule{Principals: Principals{Attributes: []map[string]string{
			{"fleet": "north", "site": fmt.Sprint(i), "zone": "z"},
		}}})
	}
	index := mustCompile(t, p).index.attributes
	for i := range 20 {
		if n := len(index[attribute{"site", fmt.Sprint(i)}]); n != 1 {
			t.Errorf("site %d leads to %d clauses", i, n)
		}
	}
	if len(index) != 20 {
		t.Errorf("clauses are filed under %d pairs, want 20", len(index))
	}
}

// Many literals under one node, so that the node goes from list to map.
func TestWideLevels(t *testing.T) {
	var topics []string
	for i := range 3 * maxFew {
		topics = append(topics, fmt.Sprintf("t%d/x", i), fmt.Sprintf("t%d/y/#", i))
	}
	table := mustCompile(t, Policy{Rules: []Rule{{
		Principals:      Principals{Usernames: []string{"u"}},
		BrokerResources: []BrokerResource{{Method: ActionPublish, Topics: topics}},
	}}})
	g := table.Bind(&Principal{Username: "u"})
	if root := &g.class.publish; len(root.few) != 0 || len(root.many) != 3*maxFew {
		t.Errorf("the root has %d literals in a list and %d in a map", len(root.few), len(root.many))
	}
	for i := range 4 * maxFew {
		want := Decision(i < 3*maxFew)
		for topic, allowed := range map[string]Decision{"t%d/x": want, "t%d/y": want, "t%d/y/z": want, "t%d/z": Deny, "t%d": Deny} {
			topic = fmt.Sprintf(topic, i)
			if got := g.Decide(ActionPublish, topic); got != allowed {
				t.Errorf("%s: got %v", topic, got)
			}
		}
	}
}

// More rules than the stack has room for, and more classes than are kept.
func TestLargePolicy(t *testing.T) {
	const rules = 3000
	p := Policy{}
	for i := range rules {
		p.Rules = append(p.Rules, Rule{
			Principals:      Principals{Usernames: []string{fmt.Sprintf("u%d", i)}},
			BrokerResources: []BrokerResource{{Method: ActionPublish, Topics: []string{fmt.Sprintf("devices/%d/#", i)}}},
		})
	}
	table := mustCompile(t, p)
	table.classes.limit = 100
	for i := range rules {
		g := table.Bind(&Principal{Username: fmt.Sprintf("u%d", i)})
		if g.Decide(ActionPublish, fmt.Sprintf("devices/%d/a", i)) != Allow ||
			g.Decide(ActionPublish, fmt.Sprintf("devices/%d/a", (i+1)%rules)) != Deny {
			t.Fatalf("rule %d decides wrongly", i)
		}
	}
	table.classes.check(t)
}

func TestTableIsSafeForConcurrentUse(t *testing.T) {
	p := firstPolicy(t, "testdata/policies/sensors.txt")
	table := mustCompile(t, p)
	table.classes.limit = 8 // so that classes are evicted all the time
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				principal := &Principal{ClientID: "temperature-sensor", Attributes: NewAttributes(map[string]string{"organization": fmt.Sprint(i % 5)})}
				topic := fmt.Sprintf("/sensor/%d", (i+g)%5)
				d, err := table.Authorize(context.Background(), principal, ActionPublish, topic)
				if want := Decision(g%5 == 0); err != nil || d != want {
					t.Errorf("%s: got %v, %v, want %v", topic, d, err, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestGlobAgreesWithExplain compares the matcher of the tables, which cuts its
// way through, with the one of Explain, which keeps all positions.
func TestGlobAgreesWithExplain(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	text := func(alphabet string, limit int) string {
		var b strings.Builder
		for range rng.IntN(limit) {
			b.WriteByte(alphabet[rng.IntN(len(alphabet))])
		}
		return b.String()
	}
	matched := 0
	for range 30000 {
		p := &Principal{ClientID: text("ab*", 9), Username: text(`ab*\`, 3)}
		pattern := text(`ab**\`, 4) + "{principal.username}" + text("ab*", 4)
		g, f := parseGlob(pattern)
		if f != nil {
			t.Fatalf("%q: %v", pattern, f)
		}
		expanded, problem := substituteGlob(pattern, p)
		want := problem == "" && globMatches(expanded, p.ClientID)
		if got := g.match(p.ClientID, p); got != want {
			t.Fatalf("%q for %+v: got %v", pattern, p, got)
		}
		if want {
			matched++
		}
	}
	if matched == 0 {
		t.Error("nothing ever matched")
	}
}

func mustCompile(t testing.TB, p Policy) *Table {
	t.Helper()
	table, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return table
}
