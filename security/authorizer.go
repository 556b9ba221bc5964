package security

import "context"

// Authorizer decides on requests. [*Table] is one; an embedding program may
// bring its own.
type Authorizer interface {
	// Authorize decides whether p may do a. topic is the Topic Name of
	// [ActionPublish], the Topic Filter of [ActionSubscribe] with or without
	// "$share/ShareName/", and ignored for [ActionConnect]. An error says
	// that there is no answer: what was asked about is denied, and since nobody
	// has decided that, callers ask again when it is next attempted, whereas
	// they may remember a Decision. It keeps neither p nor topic and is safe
	// for concurrent use.
	Authorize(ctx context.Context, p *Principal, a Action, topic string) (Decision, error)
}

// Authorize implements [Authorizer] by [Table.Bind] and [Grant.Decide]. It
// never returns an error. To decide more than once for the same Principal,
// keep the Grant.
func (t *Table) Authorize(_ context.Context, p *Principal, a Action, topic string) (Decision, error) {
	return t.Bind(p).Decide(a, topic), nil
}
