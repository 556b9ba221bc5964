package engine

// newReactor makes the reactor of this system. Tests replace it.
var newReactor = func(e *Engine) reactor { return newEpollReactor(e) }
