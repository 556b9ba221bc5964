package security_test

import (
	"fmt"

	"github.com/weirmq/weir/security"
)

// A policy is compiled once, a Client is bound when it connects, and each
// request is then decided by its Grant.
func Example() {
	policy := security.Policy{Rules: []security.Rule{{
		Name: "thermostats",
		Principals: security.Principals{
			Attributes: []map[string]string{{"group": "thermostats"}},
		},
		BrokerResources: []security.BrokerResource{
			{Method: security.ActionConnect},
			{Method: security.ActionPublish, Topics: []string{"devices/{principal.clientId}/temperature"}},
			{Method: security.ActionSubscribe, Topics: []string{"commands/+"}},
		},
	}}}
	table, err := security.Compile(policy)
	if err != nil {
		fmt.Println(err)
		return
	}
	grant := table.Bind(&security.Principal{
		ClientID:   "kitchen",
		Attributes: security.NewAttributes(map[string]string{"group": "thermostats"}),
	})
	fmt.Println(grant.Decide(security.ActionPublish, "devices/kitchen/temperature"))
	fmt.Println(grant.Decide(security.ActionPublish, "devices/cellar/temperature"))
	fmt.Println(grant.Decide(security.ActionSubscribe, "commands/reboot"))
	fmt.Println(grant.Decide(security.ActionSubscribe, "commands/#"))
	// Output:
	// allow
	// deny
	// allow
	// deny
}

// Explain says why a request was denied.
func ExampleExplain() {
	policy := security.Policy{Rules: []security.Rule{{
		Principals: security.Principals{Usernames: []string{"heater"}},
		BrokerResources: []security.BrokerResource{
			{Method: security.ActionSubscribe, Topics: []string{"telemetry/+"}},
		},
	}}}
	heater := &security.Principal{ClientID: "h1", Username: "heater"}
	fmt.Print(security.Explain(policy, heater, security.ActionSubscribe, "telemetry/#"))
	// Output:
	// deny: Subscribe "telemetry/#" by Client Identifier "h1", username "heater", attributes {}
	//   rules[0]: applies by usernames[0] "heater", but does not allow it
	//     brokerResources[0].topics[0] "telemetry/+" does not cover it
}

// A misspelled token is refused, and not taken for a topic that never matches.
func ExampleCompile_refused() {
	_, err := security.Compile(security.Policy{Rules: []security.Rule{{
		Principals: security.Principals{Usernames: []string{"heater"}},
		BrokerResources: []security.BrokerResource{
			{Method: security.ActionPublish, Topics: []string{"devices/{principal.clientID}"}},
		},
	}}})
	fmt.Println(err)
	// Output:
	// rules[0].brokerResources[0].topics[0] "devices/{principal.clientID}": unknown token {principal.clientID}; write {principal.clientId}, {principal.username} or {principal.attributes.NAME}
}

// Subjects are compared part by part, however their types and blanks are written.
func ExampleParseSubject() {
	subject, err := security.ParseSubject(`cn=Press 7,O="Contoso, Ltd.",2.5.4.6=US`)
	fmt.Println(subject, err)
	// Output:
	// CN = Press 7, O = "Contoso, Ltd.", C = US <nil>
}
