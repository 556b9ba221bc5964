// Package resource turns a directory of manifests into what an engine serves,
// follows the directory while it changes, and stores objects in it the way
// kubectl's verbs do.
//
// # The directory
//
// Every file named *.yaml, *.yml or *.json holds objects: one or several YAML
// documents, a List, or one of the JSON fragments that a portal takes (an
// x509Settings object, an array of rules, a properties object), which get
// their name from the file. The kinds are BrokerListener,
// BrokerAuthentication, BrokerAuthorization, Broker, Secret, ConfigMap and
// ServiceAccount, in the API versions and spellings of every release; other
// kinds are passed over with a warning. The files
//
//	secrets/NAME/KEY
//	configmaps/NAME/KEY
//
// are the Secrets and ConfigMaps that Kubernetes mounts as volumes. Names that
// begin with a dot are passed over, keys that begin with a single one excepted.
//
// Beyond the fields of the kinds' own API, a port may have an address to bind,
// maxConnections, maxConnectsPerSecond (see [engine.Listener]), tls.minVersion,
// "1.2" or "1.3", and with protocol WebSockets origins, a list as
// engine.Listener has it; authorizationPolicies may have onPolicyChange,
// Reevaluate or Disconnect; a BrokerAuthentication may have onCredentialExpiry,
// Close, which is the default, or Disconnect (see DisconnectExpired of
// [engine.Listener]); customSettings may have clientInformation, Enabled
// or Disabled, and authenticationMethodEncoding, Plain or Base64 (see
// ClientInformation and Base64Method of [custom.Config]); advanced.clients of a
// Broker may have sharedSubscriptionStrategy, one of RoundRobin, HashTopicName,
// HashClientId, Sticky and FewestInFlight, see [engine.SharedStrategy], and
// advanced may have limits: those fields of [engine.Limits] that
// advanced.clients has not, each with a small first letter, such as
// connections: 5000. Without an address a ClusterIp
// listener is bound to 127.0.0.1 and any other to all interfaces; a NodePort
// listener also listens on nodePort. Port 0 is any free port.
//
// A port whose BrokerAuthentication has an X509 method verifies the certificates
// of Clients in the TLS handshake, and ends it if it does not trust one. A port
// with a Custom method and without X509 asks for certificates and takes any: the
// custom authentication server is shown them, and judges.
//
// # Attributes of certificates
//
// x509Settings has the attributes of Clients under authorizationAttributes, or,
// as in the previews, in a Secret, under its key x509Attributes.toml:
//
//	attributes:
//	  secretName: x509-attributes    # also secretRef
//
// Package security/attributefile says how they are written there. A change of
// the Secret is one of the attributes: Clients that are connected have the new
// ones.
//
// # Service account tokens
//
// serviceAccountTokenSettings, besides audiences, may have kubeconfigSecretRef,
// a Secret whose key kubeconfig leads to the API server to ask; without it that
// is the one of the cluster Weir runs in. Or they may have jwks: Weir verifies
// the signatures of tokens itself then. It has issuer; the issuer's JWK Set,
// either the one value of a ConfigMap, configMapRef, or at an https url, with
// caCertConfigMap if its CA is not one of the system's; algorithms, of RS256,
// ES256 and EdDSA; usernameClaim; and attributeClaims, which gives claims by
// attribute (see serviceaccount.IssuerConfig). legacyUserName and
// serviceAccountNameAttribute, Enabled or Disabled, are switches of
// serviceaccount.Config, off by default. Where there is no API server to ask, a
// warning says so, and the port serves the clients of other methods.
//
// # Passwords
//
// Method PasswordFile is ours: the User Names and Passwords of a Secret, under
// its key passwords.toml, as package security/passwords reads them. The first preview
// had it under another name, which is read as well.
//
//	authenticationMethods:
//	- method: PasswordFile     # also UsernamePassword
//	  passwordFileSettings:    # also usernamePassword, without a method
//	    secretRef: users       # also secretName
//
// # Revocation
//
// x509Settings may have the field revocation, also ours:
//
//	revocation:
//	  crlRef: fabrikam-crls    # a ConfigMap; under each key CRLs, in PEM or DER
//	  denyListRef: deny-list   # a ConfigMap; under each key a deny list
//	  onStaleCRL: Deny         # or Allow
//
// serviceAccountTokenSettings may have it too, with a denyListRef alone, whose
// lines jti take tokens back. Methods may share a deny list.
//
// What the lists are is said in package security/revocation. Whoever is connected
// with what is revoked is cut within a second or two. A CRL whose time is
// over denies its CA's Clients, those that are connected too, or with onStaleCRL
// Allow goes on to count. A CRL that cannot be read, or that is older than the one in
// force, is an error like any other: the last good one stays in force.
//
// # What is in force
//
// [Load] always yields a [Snapshot], and it fails closed:
//
//   - An object with an error keeps its last version without one, taken from
//     the previous Snapshot. If there is none, which is so at start, the ports
//     that need the object stay closed. Everything else is served.
//   - An object that is gone is gone: a port that refers to a missing
//     BrokerAuthentication, BrokerAuthorization or ConfigMap is closed until
//     the object is back.
//   - A port whose server certificate is missing waits for it, and opens by
//     itself when it appears.
//   - Two ports with the same number: the one that is being served stays, and
//     the other does not open; at start neither opens.
//
// A [Controller] does this for a running engine; it takes changes over within
// a second, and tells each problem once. Limits are those of the start.
//
// # Identity
//
// What a Snapshot takes over unchanged from the previous one is the same
// pointer: the *tlsstate.Config, *security.Chain and *security.Table of a port
// change only if something in them did, CA certificates and keys included.
//
// # Borrowed memory
//
// Nothing is lent. What a Snapshot or Object returns must not be modified.
//
// # Concurrency
//
// A Snapshot, an Object and a Report never change and are safe for concurrent
// use. The methods of Store may be called concurrently, from several processes
// too, and while a Controller reads: every file is replaced atomically.
// Controller and Watcher run once.
//
// # Errors
//
// What is wrong in a directory is a list of [Problem] values, each of which
// prints as one line. The verbs of a Store return [ManifestError],
// [NotFoundError], [AlreadyExistsError] and [UnknownKindError]. Data of
// Secrets is in none of them.
package resource
