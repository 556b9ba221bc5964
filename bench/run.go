package bench

import "context"

// Run runs c, which may leave fields out, until it is done or ctx ends. The
// error is a [*ConfigError], a [*ConnectError], [ErrStalled], what ended a
// connection that should have stayed, or ctx's.
//
// Messages that are lost, duplicated or reordered are no error: see
// [Messages.Perfect]. Safe for concurrent use, though runs at the same time
// measure each other.
func Run(ctx context.Context, c Config) (*Result, error) {
	c, err := c.WithDefaults()
	if err != nil {
		return nil, err
	}
	// What cannot be measured should be said before much is done for it.
	if _, err := usages(c.PID); err != nil {
		return nil, err
	}
	switch c.Scenario {
	case Storm:
		return runStorm(ctx, c)
	case Idle:
		return runIdle(ctx, c)
	}
	return runTraffic(ctx, c)
}
