// Package topics holds what the MQTT 5.0 standard says about Topic Names and
// Topic Filters (sections 4.7 and 4.8.2), and the two indexes a Server builds on
// it: [Trie] goes from a Topic Name to the subscriptions that match it, and
// [Retained] from a Topic Filter to the names that have a retained message.
//
// Names and filters are compared byte for byte, never normalized
// [MQTT-4.7.3-4]. That they are well-formed UTF-8 is checked where packets are
// decoded, and not here.
//
// # Concurrency
//
// Every function and method is safe for concurrent use, [Result] aside, which
// belongs to one goroutine. Reads take no lock, allocate nothing once their
// Result has grown, and never wait for a writer. Writers lock one shard, chosen
// by the first level, or the one shard that holds all filters whose first level
// is a wildcard.
//
// A read that starts after a write has returned sees that write. A read that
// overlaps a write sees the state before it or after it, for each subscription
// on its own: one that is there all along is never missed and never doubled,
// whatever is inserted or pruned around it.
//
// # Caching a Match
//
// A stamp tells whether an earlier result is still right. A write becomes
// visible first and moves the stamp second, so the reader goes the other way
// round: the stamp first, then the match.
//
//	stamp := trie.StampOf(shard)   // before Match, never after
//	trie.Match(name, &result)
//	cache(name, stamp, result)     // right for as long as StampOf(shard) == stamp
//
// A change that this Match missed moves the stamp past the one cached. Read
// after Match, the stamp could already count a change that the result lacks.
//
// # Borrowed memory
//
// A filter or name given to a method that stores it must not change afterwards,
// so it must not be a view of a network buffer. Levels are copied, lest one
// short level keep a filter of 64 KB alive; a retained name is kept as given.
// Entries that Match finds are the caller's, until its next Match. Groups are shared snapshots:
// valid forever, never written again, and not to be written by the caller.
//
// # Errors
//
// [ShareError] is what a Client got wrong in a Shared Subscription's Topic
// Filter. The values are made at init, so that a Client that sends rubbish costs
// no memory. Everything else is a plain yes or no.
package topics
