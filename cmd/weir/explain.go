package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/engine/resource"
	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/topics"
)

func (a *app) explainCommand() *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "explain --port PORT [--cert FILE | --username NAME --attribute KEY=VALUE ...] (connect | publish TOPIC | subscribe FILTER)",
		Short: "Say whether a Client may do something, and by which rule",
		Long: `Say whether a Client may connect to a port, publish to a Topic Name or subscribe to
a Topic Filter, how it got its attributes, and which rule allows it or why each
rule does not. Nothing is sent anywhere: the answer comes from the manifests.

The Client is who the certificate in --cert says, or whoever --username and
--attribute describe, as if an authentication method had said so. Without either
it has no credentials.

The exit code is 0 if it is allowed and 1 if it is denied.`,
		Example: `  weir explain --port 8883 --cert thermostat.crt publish telemetry/humidity
  weir explain --port 8883 --username heater subscribe 'telemetry/#'`,
		Args: q.arguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.configExists(); err != nil {
				return err
			}
			snapshot, _ := resource.Load(a.config, nil)
			port, ok := snapshot.Port(q.port)
			if !ok {
				return noSuchPort(q.port, snapshot)
			}
			if err := q.read(a); err != nil {
				return err
			}
			answer := q.ask(c.Context(), port)
			if _, err := fmt.Fprint(a.stdout, answer); err != nil {
				return err
			}
			if answer.decision == security.Deny {
				return errAnswered
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []cobra.Completion{"connect", "publish", "subscribe"}, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := c.Flags()
	f.IntVar(&q.port, "port", 0, "the `number` of the port")
	f.StringVar(&q.cert, "cert", "", "the `file` with the Client's certificate and its intermediates")
	f.StringVar(&q.clientID, "client-id", "", "the Client `Identifier`")
	f.StringVar(&q.username, "username", "", "the user `name`")
	f.StringArrayVar(&q.attributes, "attribute", nil, "an attribute as `KEY=VALUE`; may be repeated")
	require(c, "port")
	complete(c, "port", a.completePorts)
	for _, flag := range []string{"client-id", "username", "attribute"} {
		complete(c, flag, cobra.NoFileCompletions)
	}
	return c
}

// question is what weir explain is asked.
type question struct {
	port               int
	cert               string
	clientID, username string
	attributes         []string

	action security.Action
	topic  string              // Topic Name or Topic Filter
	chain  []*x509.Certificate // what cert holds
	given  security.Attributes // what attributes hold
}

// String returns the request as explanations spell it.
func (q *question) String() string {
	if q.action == security.ActionConnect {
		return q.action.String()
	}
	return fmt.Sprintf("%v %q", q.action, q.topic)
}

// arguments reads the action and its topic.
func (q *question) arguments(_ *cobra.Command, args []string) (err error) {
	if len(args) == 0 {
		return usagef("say what to explain: connect, publish TOPIC or subscribe FILTER")
	}
	if q.action, err = security.ParseAction(args[0]); err != nil {
		return usagef("%q: write connect, publish or subscribe", args[0])
	}
	switch {
	case q.cert != "" && (q.username != "" || len(q.attributes) > 0):
		return usagef("give --cert, or --username and --attribute in its place")
	case q.action == security.ActionConnect && len(args) > 1:
		return usagef("%q is one argument too many: connect takes none", args[1])
	case q.action == security.ActionConnect:
		return nil
	case len(args) != 2:
		return usagef("%s takes one %s; quote it if it has blanks in it", strings.ToLower(q.action.String()), resourceOf(q.action))
	}
	q.topic = args[1]
	switch {
	case q.action == security.ActionPublish && !topics.ValidName(q.topic):
		return usagef("%q is not a Topic Name: it may not be empty and has no wildcards", q.topic)
	case q.action == security.ActionSubscribe && !validFilter(q.topic):
		return usagef("%q is not a Topic Filter: + stands for a whole level, # for the last", q.topic)
	}
	return nil
}

// resourceOf names what an action is on.
func resourceOf(action security.Action) string {
	if action == security.ActionPublish {
		return "Topic Name"
	}
	return "Topic Filter"
}

// read reads what the flags refer to.
func (q *question) read(a *app) (err error) {
	if q.given, err = parseAttributes(q.attributes); err != nil || q.cert == "" {
		return err
	}
	text, err := a.readInput(q.cert)
	if err != nil {
		return err
	}
	q.chain, err = parseCertificates(q.cert, text)
	return err
}

// validFilter accepts a Topic Filter, that of a Shared Subscription included.
func validFilter(filter string) bool {
	_, rest, _, err := topics.ParseShared(filter)
	return err == nil && topics.ValidFilter(rest)
}

// parseAttributes reads the values of --attribute.
func parseAttributes(pairs []string) (security.Attributes, error) {
	m := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		if !found || key == "" {
			return security.Attributes{}, usagef("--attribute %q: want KEY=VALUE", pair)
		}
		if _, there := m[key]; there {
			return security.Attributes{}, usagef("--attribute %q: %q is given twice", pair, key)
		}
		m[key] = value
	}
	return security.NewAttributes(m), nil
}

// noSuchPort says which ports there are.
func noSuchPort(number int, snapshot *resource.Snapshot) error {
	var there []string
	for _, port := range snapshot.Ports() {
		there = append(there, port.Name)
	}
	if len(there) == 0 {
		return errors.New("there is no listener with a valid port; see 'weir check'")
	}
	return fmt.Errorf("there is no port %d; there are %s", number, strings.Join(there, ", "))
}

// completePorts completes the number of a port.
func (a *app) completePorts(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	snapshot, _ := resource.Load(a.config, nil)
	var completions []cobra.Completion
	for _, port := range snapshot.Ports() {
		completions = append(completions, cobra.CompletionWithDesc(strconv.Itoa(port.Number), port.Listener))
	}
	return completions, cobra.ShellCompDirectiveNoFileComp
}
