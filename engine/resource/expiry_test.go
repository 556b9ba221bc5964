package resource

import (
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

// telling has the manifests of a site say what Clients whose credential has
// expired are told.
func telling(manifests, action string) string {
	return strings.Replace(manifests, "  authenticationMethods:", "  onCredentialExpiry: "+action+"\n  authenticationMethods:", 1)
}

// What expired Clients are told is no part of who they are: a change of it has
// nobody judged again.
func TestOnCredentialExpiryReachesTheListenersAndReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	writeRevocation(t, dir, 8883)
	manifests := readFile(t, dir, "manifests.yaml")
	var before *Snapshot
	for _, row := range []struct {
		name, manifests string
		told            bool
	}{
		{"by default", manifests, false},
		{"Disconnect", telling(manifests, "Disconnect"), true},
		{"Close", telling(manifests, "Close"), false},
		{"in another case", telling(manifests, "disconnect"), true},
		{"an error, so that what was before stays", telling(manifests, "Ignore"), true},
		{"not at all any more", manifests, false},
	} {
		writeFile(t, dir, "manifests.yaml", row.manifests)
		after, _ := Load(dir, before)
		listeners := after.Listeners()
		if len(listeners) != 1 || listeners[0].DisconnectExpired != row.told {
			t.Errorf("%s: the listeners are %+v", row.name, listeners)
		}
		if before != nil && before.authentications["both"].Chain != after.authentications["both"].Chain {
			t.Errorf("%s: the Chain is another", row.name)
		}
		before = after
	}
}

// A token that ends while its Client is connected ends the connection: without
// a word, or, if the manifest says so by then, with DISCONNECT.
func TestExpiredClientsAreToldIfTheManifestSaysSo(t *testing.T) {
	t.Parallel() // it waits for most of its time
	s := newLiveSite(t)
	const name = "K8S-SAT " // as User Name: the Password is a token
	told := s.accepted(name+"told", nil, issueTokenFor("told", 20*time.Second))
	witness, lost := s.accepted("client1", nil, "password"), s.accepted(name+"lost", nil, issueToken("lost"))
	silent := s.accepted(name+"silent", nil, issueTokenFor("silent", 6*time.Second))
	silent.ExpectClose()

	// That lost is cut says that the change has been taken over.
	writeFile(t, s.dir, "manifests.yaml", telling(readFile(t, s.dir, "manifests.yaml"), "Disconnect"))
	writeFile(t, s.dir, denyListFile, "jti lost\n")
	lost.ExpectDisconnect(codec.NotAuthorized)
	told.ExpectDisconnect(codec.MaximumConnectTime)
	stays(witness)
}
