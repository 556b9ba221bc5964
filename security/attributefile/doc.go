// Package attributefile reads files that give attributes to the subjects of
// certificates, as Secrets had them in the first preview of the manifests.
//
// The file is TOML: a table for each entry, whose name is a label for messages,
// with a subject, and a table of attributes below it.
//
//	[root]
//	subject = "CN = Contoso Root CA Cert, OU = Engineering, C = US"
//
//	[root.attributes]
//	organization = "contoso"
//
// [Parse] makes the entries of an X509 method of it, which mean what they do
// anywhere: see [security.X509Entry].
//
// # Borrowed memory
//
// Nothing of the text is kept.
//
// # Concurrency
//
// Parse is safe for concurrent use.
//
// # Errors
//
// [*Error] says what is wrong in a file: where, and what would be right. As the
// file comes out of a Secret, none quotes what the fields hold.
package attributefile
