// Command go-verifier checks a tree with the code of somebody else: golang.org/x/mod/sumdb/note and tlog.
//
//	go-verifier <folder> <log's verifier key> <cosigner's verifier key>
//
// The folder has what /v1/tlog/ serves: checkpoint, tile/… and tile/entries/…, and beside it former.json with earlier sizes and roots.
// It prints a line of what it proved, or ends with an error.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// cosigner is a verifier of C2SP cosignature/v1, which the note package leaves to its users.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	text := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(text), sig[8:])
}

func newCosigner(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("malformed cosigner key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return nil, fmt.Errorf("malformed cosigner key")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	hash := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", hash) != parts[1] {
		return nil, fmt.Errorf("the cosigner's key has another id")
	}
	return cosigner{parts[0], hash, key[1:]}, nil
}

// tiles reads tiles from the folder. Go's paths have the height in them, C2SP's do not.
type tiles struct{ folder string }

func (t tiles) Height() int { return height }
func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range list {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		bytes, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func entries(folder string, tree tlog.Tree, each func(index int64, entry []byte) error) error {
	for first := int64(0); first < tree.N; first += 1 << height {
		width := min(tree.N-first, 1<<height)
		path := tlog.Tile{H: height, L: 0, N: first >> height, W: int(width)}.Path()
		data, err := os.ReadFile(filepath.Join(folder, "tile/entries/"+strings.TrimPrefix(path, "tile/8/0/")))
		if err != nil {
			return err
		}
		for i := range width {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return fmt.Errorf("the bundle of %d ends early", first)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			if err := each(first+i, data[2:end]); err != nil {
				return err
			}
			data = data[end:]
		}
		if len(data) > 0 {
			return fmt.Errorf("the bundle of %d has more than its entries", first)
		}
	}
	return nil
}

func run(folder, logKey, cosignerKey string) error {
	log, err := note.NewVerifier(logKey)
	if err != nil {
		return err
	}
	witness, err := newCosigner(cosignerKey)
	if err != nil {
		return err
	}
	message, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	opened, err := note.Open(message, note.VerifierList(log, witness))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != 2 {
		return fmt.Errorf("%d of the 2 signatures are verified", len(opened.Sigs))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != log.Name() {
		return fmt.Errorf("the checkpoint is not of %s", log.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return err
	}
	tree := tlog.Tree{N: size, Hash: root}
	// TileHashReader checks every tile against the tree's root before it uses it.
	hashes := tlog.TileHashReader(tree, tiles{folder})
	if have, err := tlog.TreeHash(size, hashes); err != nil || have != root {
		return fmt.Errorf("the tiles give the root %v, and the checkpoint has %v: %v", have, root, err)
	}
	var leaves []tlog.Hash
	stored := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			list[i] = leaves[index]
		}
		return list, nil
	})
	err = entries(folder, tree, func(index int64, entry []byte) error {
		more, err := tlog.StoredHashes(index, entry, stored)
		if err != nil {
			return err
		}
		leaves = append(leaves, more...)
		proof, err := tlog.ProveRecord(size, index, hashes)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(entry))
	})
	if err != nil {
		return err
	}
	if have, err := tlog.TreeHash(size, stored); err != nil || have != root {
		return fmt.Errorf("the entries give the root %v, and the checkpoint has %v: %v", have, root, err)
	}
	data, err := os.ReadFile(filepath.Join(folder, "former.json"))
	if err != nil {
		return err
	}
	var former []struct {
		Size  int64
		Root  string
		Proof [][]byte
	}
	if err := json.Unmarshal(data, &former); err != nil {
		return err
	}
	for _, one := range former {
		was, err := tlog.ParseHash(one.Root)
		if err != nil {
			return err
		}
		theirs, err := tlog.ProveTree(size, one.Size, hashes)
		if err != nil {
			return err
		}
		ours := make(tlog.TreeProof, len(one.Proof))
		for i, hash := range one.Proof {
			if len(hash) != tlog.HashSize {
				return fmt.Errorf("a hash of %d bytes", len(hash))
			}
			copy(ours[i][:], hash)
			if i >= len(theirs) || !bytes.Equal(theirs[i][:], hash) {
				return fmt.Errorf("the proof from %d is another than Go's", one.Size)
			}
		}
		if err := tlog.CheckTree(ours, size, root, one.Size, was); err != nil {
			return fmt.Errorf("from %d: %w", one.Size, err)
		}
	}
	fmt.Printf("proved %d records and %d former trees\n", size, len(former))
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go-verifier <folder> <log's verifier key> <cosigner's verifier key>")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
