// Package bench loads an MQTT broker and measures what it does and what that
// costs. It is the library behind weir bench.
//
// A [Config] describes a run and [Run] runs it. Runs of a [Scenario] with
// traffic connect from goroutines, which may block, and then move all sockets
// to one thread: level-triggered epoll, one read for each socket that is ready,
// one write for each that has something to send, raw system calls, packets
// that were encoded before, and nothing allocated. On a machine of few cores
// that leaves most of the CPU to the broker; [Result.Generator] tells how much
// was taken from it.
//
// # What is measured
//
// A closed loop (Config.Window) sends a message when an earlier one has
// arrived: it measures throughput, and with Config.PID the broker's CPU time
// for each message. An open loop (Config.Rate) sends at even intervals, and
// counts latency from when a message was to be sent: a broker that pauses is
// not excused from those that had to wait. Every message carries its topic's
// number, its sequence and its time, so that loss, duplicates and reordering
// are counted for each pair of a topic and a Subscriber.
//
// Reconnect and Overload have an open loop before and while something else goes
// on beside it, on goroutines. Those take CPU time from the broker and from the
// loop: their latencies are for comparing brokers, or versions of one.
//
// # Platform
//
// It measures on Linux. Elsewhere it compiles, and Run returns an error.
//
// # Borrowed memory
//
// A Config is borrowed for the length of a run, and not changed. A [Result]
// belongs to its receiver, also the one that a callback of [Compare] gets.
//
// # Concurrency
//
// Functions are safe for concurrent use, and so is a Result that nobody writes
// to. A [Histogram] is not.
//
// # Errors
//
// A [*ConfigError] names a field, its value and what would be right, before
// anything is connected; a [*ConnectError] names the Client and the broker.
// Neither has a Password in it. What happens to messages is never an error.
package bench
