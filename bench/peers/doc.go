// Package peers measures Weir beside other brokers: what make bench-peers
// runs, and how docs/benchmarks.md is written.
//
// Rows is the table, as data: a scenario of weir bench, the door it goes
// through, and the aim. For each row every broker is started afresh, on a port
// of its own, with the configuration that Peer.Configure writes; all of them
// are measured in turns, so that what changes on the machine meanwhile happens
// to all; and all are stopped. The load comes from bin/weir bench, a process
// per measurement, and the brokers' CPU time and memory from /proc, so this
// runs on Linux only. What their garbage collection takes is what Go's runtime
// writes with GODEBUG=gctrace=1, for which they need do nothing.
//
// The parts of Weir that have a counterpart in other projects are measured by
// the benchmarks of package micro, whose output GoBench reads and Report turns
// into ratios.
//
// It is a module of its own, so that what the other brokers depend on is no
// dependency of Weir.
//
// # Concurrency
//
// Everything here belongs to one goroutine: a measurement beside another is
// none.
//
// # Errors
//
// A broker that cannot be started or measured does not end the run: Result
// keeps the reason, in the place of numbers. What the run itself needs and does
// not find is an error that says what to install.
package peers
