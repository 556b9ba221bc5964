package micro

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go"

	"github.com/weirmq/weir/security"
)

// The policy has a rule for each group of devices: those of group N may
// publish to site/N and below, and to a topic that all groups of its quarter
// share. Rule N stands in the same place in both languages.

func weirPolicy(t testing.TB, rules int) *security.Table {
	t.Helper()
	var policy security.Policy
	for n := range rules {
		policy.Rules = append(policy.Rules, security.Rule{
			Principals: security.Principals{Attributes: []map[string]string{{"group": fmt.Sprintf("group-%d", n)}}},
			BrokerResources: []security.BrokerResource{{
				Method: security.ActionPublish,
				Topics: []string{fmt.Sprintf("site/%d/#", n), fmt.Sprintf("quarter/%d/state", n%4)},
			}},
		})
	}
	table, err := security.Compile(policy)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func cedarPolicy(t testing.TB, rules int) *cedar.PolicySet {
	t.Helper()
	var text strings.Builder
	for n := range rules {
		fmt.Fprintf(&text, `permit (principal, action == Action::"publish", resource) when {
	principal.group == "group-%[1]d" &&
	(context.topic == "site/%[1]d" || context.topic like "site/%[1]d/*" || context.topic == "quarter/%[2]d/state")
};
`, n, n%4)
	}
	set, err := cedar.NewPolicySetFromBytes("policy.cedar", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A decider answers for one device whether it may publish to a topic; what it
// needs for the question is made when it is made.
type decider func() bool

func weirDecider(table *security.Table, group, topic string) decider {
	grant := table.Bind(&security.Principal{
		ClientID: "device", Attributes: security.NewAttributes(map[string]string{"group": group}),
	})
	return func() bool { return bool(grant.Decide(security.ActionPublish, topic)) }
}

func cedarDecider(set *cedar.PolicySet, group, topic string) decider {
	device := cedar.NewEntityUID("Device", "device")
	entities := cedar.EntityMap{device: cedar.Entity{
		UID: device, Attributes: cedar.NewRecord(cedar.RecordMap{"group": cedar.String(group)}),
	}}
	request := cedar.Request{
		Principal: device,
		Action:    cedar.NewEntityUID("Action", "publish"),
		Resource:  cedar.NewEntityUID("Broker", "broker"),
		Context:   cedar.NewRecord(cedar.RecordMap{"topic": cedar.String(topic)}),
	}
	return func() bool {
		decision, _ := cedar.Authorize(set, entities, request)
		return bool(decision)
	}
}

func TestPoliciesDecideTheSame(t *testing.T) {
	const rules = 13
	table, set := weirPolicy(t, rules), cedarPolicy(t, rules)
	allowed := 0
	for group := range rules + 1 {
		for site := range rules + 1 {
			for _, topic := range []string{
				fmt.Sprintf("site/%d", site), fmt.Sprintf("site/%d/", site), fmt.Sprintf("site/%d/room/5", site),
				fmt.Sprintf("site/%d5", site), fmt.Sprintf("quarter/%d/state", site), fmt.Sprintf("quarter/%d/state/x", site),
			} {
				name := fmt.Sprintf("group-%d", group)
				weir, cedar := weirDecider(table, name, topic)(), cedarDecider(set, name, topic)()
				if weir != cedar {
					t.Errorf("%s publishing to %q: Weir decides %v, Cedar %v", name, topic, weir, cedar)
				}
				if weir {
					allowed++
				}
			}
		}
	}
	if allowed == 0 || allowed == (rules+1)*(rules+1)*6 {
		t.Errorf("%d requests are allowed: the policy does not tell them apart", allowed)
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, rules := range []int{10, 200, 1000} {
		table, set := weirPolicy(b, rules), cedarPolicy(b, rules)
		group, own := fmt.Sprintf("group-%d", rules/2), fmt.Sprintf("site/%d/room/5/temperature", rules/2)
		for _, topic := range []struct{ outcome, name string }{{"allow", own}, {"deny", "site/elsewhere/room/5/temperature"}} {
			for _, x := range []struct {
				impl   string
				decide decider
			}{
				{"weir", weirDecider(table, group, topic.name)},
				{"cedar", cedarDecider(set, group, topic.name)},
			} {
				b.Run(fmt.Sprintf("impl=%s/rules=%d/outcome=%s", x.impl, rules, topic.outcome), func(b *testing.B) {
					if got := x.decide(); got != (topic.outcome == "allow") {
						b.Fatalf("the decision is %v, want %s", got, topic.outcome)
					}
					repeat(b, func() { x.decide() })
				})
			}
		}
	}
}
