// Package persons seals who guests are, so that a log that forgets nothing can forget a person.
//
// The name and the e-mail address of a guest are sealed with a key of their own before the command goes to the processor of its hotel; so is what people write of a booking (Words), with another. Events, snapshots and
// read models hold the sealed bytes and the key's number. Forgetting the guest is erasing the key: whatever was sealed with it, in whatever copy of the log, is noise
// from then on.
//
//	k, err := persons.Open(vfs.Private, dir)
//	go k.Run(ctx)                               // makes keys ahead; without it whoever needs one makes them
//	id, sealed, err := k.Seal(persons.Person{DisplayName: "Ada Lovelace"})
//	person, err := k.Open(id, sealed)           // ErrForgotten once the key is erased
//	err = k.Erase(id)
//
// # The folder
//
//	identity                    which store this is, and its secret
//	00000000000000000001.keys   key 1 and those behind it: a header of 32 bytes, then 32 bytes for each key, zero once it is erased
//	00000000000001048577.keys   likewise from key 1,048,577 on
//	end                         which keys there were when the folder was last opened
//	swept                       how far the log was looked through for persons to forget (written by package commands)
//
//	header:  0 "LODGEKEY"   8 version (uint32)   12 zero   20 the first key's number (uint64)   28 CRC-32C of bytes 0 to 27; big-endian
//
// Over vfs.Private every file has mode 0600: it is made so, before anything is in it, and one that is wider is narrowed when it is opened.
//
// Keys are made in blocks of 4,096 (128 KiB), and a block is durable before the first key of it is given: a key that was used is there after any crash. Which keys of a
// block were given is not recorded: after a start keys are given from behind all that are there. A key that was given and taken back
// unused (Release) is given again.
//
// Keys that were made and not given stay, which costs up to 256 KiB for each time that the folder was in use: a number is never that of another key. So a copy of the folder, be it made while that was in
// use, has the keys that the log was written with, and all that it lacks is behind its end.
//
// # What is lost
//
// Keys that are missing are not passed over: Open refuses a folder in which keys are missing between others, or of those that there were when it was last opened, and package commands one that the log names more keys than are in. Where there is
// no copy to put back, a Survey tells which are there, and GiveUp puts erased keys in the place of the others:
//
//	s, err := persons.Look(vfs.Private, dir)
//	lost := !s.Has(id)                          // for each key that the log names
//	err = s.GiveUp(end)                         // behind the last key that the log names
//
// # The seal
//
// ChaCha20-Poly1305 under the person's own key, which seals nothing else, so that the nonce is zero; the bytes are a version (1) and the ciphertext of both texts, each behind
// its length as a varint, zero-padded to 16 bytes. Of AES-GCM the key schedule alone costs more than all of this.
//
// # What it does not do
//
// It does not protect from whoever has the keys' folder and the log. It erases by overwriting in place and syncing: a file system or a disk that keeps old blocks, and a copy of
// the keys' folder, keep the keys; see commands/DESIGN.md.
package persons
