//go:build linux

package kubetest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// object is a Kubernetes object as JSON has it.
type object = map[string]any

// Account is a service account.
type Account struct {
	server          *Server
	Namespace, Name string
	UID             string
}

// Namespace makes a namespace with a name of its own.
func (s *Server) Namespace(t testing.TB) string {
	t.Helper()
	var made struct {
		Metadata struct{ Name string }
	}
	s.Do(t, http.StatusCreated, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"generateName": "test-"}}, &made)
	return made.Metadata.Name
}

// Account makes a service account with annotations.
func (s *Server) Account(t testing.TB, namespace, name string, annotations map[string]string) *Account {
	t.Helper()
	var made struct {
		Metadata struct{ UID string }
	}
	s.Do(t, http.StatusCreated, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts",
		object{"metadata": object{"name": name, "annotations": annotations}}, &made)
	return &Account{s, namespace, name, made.Metadata.UID}
}

// Username returns the user name that the API server gives the account.
func (a *Account) Username() string { return "system:serviceaccount:" + a.Namespace + ":" + a.Name }

func (a *Account) path() string {
	return "/api/v1/namespaces/" + a.Namespace + "/serviceaccounts/" + a.Name
}

// Token has a token issued for audiences, for 10 minutes.
func (a *Account) Token(t testing.TB, audiences ...string) string {
	t.Helper()
	var made struct {
		Status struct{ Token string }
	}
	a.server.Do(t, http.StatusCreated, http.MethodPost, a.path()+"/token",
		object{"spec": object{"audiences": audiences, "expirationSeconds": 600}}, &made)
	return made.Status.Token
}

// Claims are those of a token of the account, for Sign.
func (a *Account) Claims(audience string, notBefore, expiry int64) map[string]any {
	return object{
		"iss": Issuer, "aud": []string{audience}, "sub": a.Username(),
		"iat": notBefore, "nbf": notBefore, "exp": expiry,
		"kubernetes.io": object{
			"namespace":      a.Namespace,
			"serviceaccount": object{"name": a.Name, "uid": a.UID},
		},
	}
}

// Annotate changes annotations; nil removes one.
func (a *Account) Annotate(t testing.TB, annotations map[string]any) {
	t.Helper()
	a.server.Do(t, http.StatusOK, http.MethodPatch, a.path(), object{"metadata": object{"annotations": annotations}}, nil)
}

// Delete deletes the account.
func (a *Account) Delete(t testing.TB) {
	t.Helper()
	a.server.Do(t, http.StatusOK, http.MethodDelete, a.path(), nil, nil)
}

// MayReviewTokens gives the account what Weir needs, and waits until it has it:
// the right to create tokenreviews, and to get the serviceaccounts of a
// namespace.
func (a *Account) MayReviewTokens(t testing.TB, namespace string) {
	t.Helper()
	subjects := []object{{"kind": "ServiceAccount", "namespace": a.Namespace, "name": a.Name}}
	const group = "rbac.authorization.k8s.io"
	a.server.Do(t, http.StatusCreated, http.MethodPost, "/apis/"+group+"/v1/clusterrolebindings", object{
		"metadata": object{"name": a.Namespace + "-" + a.Name},
		"roleRef":  object{"apiGroup": group, "kind": "ClusterRole", "name": "system:auth-delegator"},
		"subjects": subjects,
	}, nil)
	within := "/apis/" + group + "/v1/namespaces/" + namespace
	a.server.Do(t, http.StatusCreated, http.MethodPost, within+"/roles", object{
		"metadata": object{"name": a.Name},
		"rules":    []object{{"apiGroups": []string{""}, "resources": []string{"serviceaccounts"}, "verbs": []string{"get"}}},
	}, nil)
	a.server.Do(t, http.StatusCreated, http.MethodPost, within+"/rolebindings", object{
		"metadata": object{"name": a.Name},
		"roleRef":  object{"apiGroup": group, "kind": "Role", "name": a.Name},
		"subjects": subjects,
	}, nil)
	a.awaitPermission(t, object{"group": "authentication.k8s.io", "resource": "tokenreviews", "verb": "create"})
	a.awaitPermission(t, object{"namespace": namespace, "resource": "serviceaccounts", "verb": "get"})
}

// awaitPermission waits until a role that was bound to the account counts.
func (a *Account) awaitPermission(t testing.TB, what object) {
	t.Helper()
	const patience = 30 * time.Second
	for deadline := time.Now().Add(patience); ; {
		var review struct {
			Status struct{ Allowed bool }
		}
		a.server.Do(t, http.StatusCreated, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews",
			object{"spec": object{"user": a.Username(), "resourceAttributes": what}}, &review)
		switch {
		case review.Status.Allowed:
			return
		case time.Now().After(deadline):
			t.Fatalf("%s has no permission %v after %v", a.Username(), what, patience)
		}
		time.Sleep(20 * time.Millisecond) // the API server tells nobody when it has taken note
	}
}

// Kubeconfig returns a kubeconfig with everything in it, for the bearer of a
// token.
func (s *Server) Kubeconfig(token string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: test, user: {token: %q}}]
`, s.URL, base64.StdEncoding.EncodeToString(s.CA), token)
}
