// Package kubetest runs a real kube-apiserver and a real etcd on loopback, for
// tests that would prove little against an imitation. They are the unmodified
// programs, as `make kubernetes` builds them. It works on Linux.
//
// A test asks for a [Server] with [Start], or shares the one of its package by
// [Shared]. Without the programs it is skipped, and fails if the environment
// variable CI is true.
//
// There is no controller manager and no kubelet, so a new namespace has no
// service account "default", and a namespace that is deleted stays. The server
// is eventually consistent, as any is: a permission takes some 100 ms to come,
// and a service account that was deleted is believed for up to 10 seconds.
//
// # Borrowed memory, concurrency, errors
//
// Nothing is lent. The methods of Server are safe for concurrent use, except
// for Kill, Restart, Freeze and Thaw. What goes wrong fails the test that
// calls.
package kubetest
