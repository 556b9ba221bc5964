// Package micro holds benchmarks of Weir's parts beside the same parts of
// other projects, at the same work, and tests that it is the same:
//
//   - codec beside the packets of mochi and of paho.golang,
//   - topics.Trie beside mochi's TopicsIndex and nats-server's Sublist,
//   - security.Grant beside cedar-go's policy set.
//
// All of it is in tests. What a benchmark leaves out, it leaves out in favor
// of the other project: translations that a server would make for each message
// are made beforehand. Benchmarks are named key=value, the part first; make
// bench-peers runs them in turns and writes the medians into
// docs/benchmarks.md.
package micro
