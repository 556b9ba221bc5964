package custom

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirmq/weir/security"
	"github.com/weirmq/weir/security/internal/breaker"
	"github.com/weirmq/weir/security/internal/quote"
)

// reportInterval is the least time between two lines of a kind: ten thousand
// Clients that meet the same trouble are one line.
const reportInterval = 10 * time.Second

// occasion says when it is time for another line. Safe for concurrent use.
type occasion struct {
	mu         sync.Mutex
	next       time.Time
	suppressed int
}

// due reports whether to log now, and how much was not logged since the last
// time.
func (o *occasion) due(now time.Time) (suppressed int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Before(o.next) {
		o.suppressed++
		return 0, false
	}
	suppressed = o.suppressed
	o.next, o.suppressed = now.Add(reportInterval), 0
	return suppressed, true
}

// settle tells the breaker about a request, and the log if that changed it.
func (a *Authenticator) settle(t breaker.Ticket, o breaker.Outcome, reason string) {
	changed, open := a.breaker.Settle(t, o, a.now())
	switch {
	case changed && open:
		a.logger.Load().Error("custom authentication server does not answer; Clients are told so at once, and it is tried again",
			"server", a.address, "every", breaker.Pause, "reason", reason)
	case changed:
		a.logger.Load().Info("custom authentication server answers again", "server", a.address)
	}
}

func (a *Authenticator) logFault(reason string) {
	if suppressed, ok := a.faults.due(a.now()); ok {
		a.logger.Load().Warn("custom authentication server gave no answer that can be used",
			"server", a.address, "reason", reason, "suppressed", suppressed)
	}
}

func (a *Authenticator) logRejection(text string) {
	if suppressed, ok := a.rejects.due(a.now()); ok {
		a.logger.Load().Info("custom authentication server rejected a request",
			"server", a.address, "reason", text, "suppressed", suppressed)
	}
}

// quote makes text in which the server had a say fit for a log. A server that
// tells what it did not like may repeat what it was sent.
func (a *Authenticator) quote(text string, c *security.Credentials) string {
	if text == "" {
		return ""
	}
	if repeats(text, string(c.Password)) || repeats(text, string(c.AuthenticationData)) {
		return withheld
	}
	for _, value := range a.settings.Headers {
		// HTTP sends it without the white space around it, and in an
		// Authorization what follows the scheme is the secret.
		value = strings.TrimSpace(value)
		_, parameters, _ := strings.Cut(value, " ")
		if repeats(text, value) || repeats(text, strings.TrimSpace(parameters)) {
			return withheld
		}
	}
	return quote.Line(text, quote.Most)
}

// withheld stands for what is not shown.
const withheld = "said something that repeats a credential, and is not shown"

// repeats reports whether a secret is in text: as it is, as requests have it,
// padded or not, or as JSON or Go quote it.
func repeats(text, secret string) bool {
	if secret == "" {
		return false
	}
	inGo := strconv.Quote(secret)
	inJSON, _ := json.Marshal(secret) // a string cannot fail
	return strings.Contains(text, secret) ||
		strings.Contains(text, base64.RawStdEncoding.EncodeToString([]byte(secret))) ||
		strings.Contains(text, inGo[1:len(inGo)-1]) ||
		strings.Contains(text, string(inJSON[1:len(inJSON)-1]))
}
