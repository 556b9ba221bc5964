// Package revocation knows which certificates and tokens are no longer good
// although they have not expired: by the certificate revocation lists (CRLs) of
// their issuers, and by deny lists that an operator writes.
//
// A [Set] is a [security.Revocation] for [security.X509]. It is made by [New] of
// [CRL] and [DenyList] values, and never changes: what is revoked later is in
// another Set, by which [security.X509.WithRevocation] replaces it.
//
// # CRLs
//
// A CRL speaks for the CA that signed it, and for no certificate of another. It
// is complete, or refused: delta CRLs, indirect ones and those of a part of the
// certificates (RFC 5280, sections 5.2.4 and 5.2.5) say too little for a
// decision by them alone. Its signature is verified with the first issuer in a
// verified chain that has its name, so that the CRL of an intermediate CA, which
// only Clients present, counts as well. Who has no CRL is not checked by any.
//
// From its nextUpdate on a CRL is stale, and its CA's certificates are denied,
// unless the operator has said that the last word is better than none.
//
// # Borrowed memory
//
// A CRL or DenyList keeps nothing of the text it was parsed from. A Set keeps
// the CRLs and DenyLists that it was made of.
//
// # Concurrency
//
// Everything here is safe for concurrent use once made. [Set.Check] takes no
// lock and allocates nothing for a chain whose issuers it has seen.
//
// # Errors
//
// [*Error] says what is wrong with a list, where in it, and what would be right.
// What [Set.Check] returns is a [*security.Denied].
//
// Clauses cited are those of RFC 5280 unless it says otherwise.
package revocation
