package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The kernels of /compute and /parallel follow here. They are written from the text
// of the contract, independently of the applications.

// countPrimes counts the primes from low up to below high.
func countPrimes(low, high int) int {
	count := 0
	for c := max(2, low); c < high; c++ {
		prime := true
		for d := 2; d*d <= c; d++ {
			if c%d == 0 {
				prime = false
				break
			}
		}
		if prime {
			count++
		}
	}
	return count
}

// generatorPairs yields n pairs of numbers from the contract's two generators.
func generatorPairs(n int) func(yield func(a, b int) bool) {
	return func(yield func(a, b int) bool) {
		a, b := 1, 1
		for range n {
			a, b = a*171%30269, b*172%30307
			if !yield(a, b) {
				return
			}
		}
	}
}

var syllables = strings.Fields("ba ce di fo gu ha je ki lo mu na pe qi ro su ta")

func textKernel(n int) int {
	counts := map[string]int{}
	for a, b := range generatorPairs(n) {
		counts[syllables[a%16]+syllables[b%16]+syllables[(a+b)%16]]++
	}
	h := 0
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		for _, c := range fmt.Sprintf("%s=%d", word, counts[word]) {
			h = (h*31 + int(c)) % 1000003
		}
	}
	return h
}

type node struct {
	key         int
	left, right *node
}

func objectsKernel(n int) int {
	var root *node
	for a, b := range generatorPairs(n) {
		key := a*30307 + b
		at := &root
		for *at != nil && (*at).key != key {
			if key < (*at).key {
				at = &(*at).left
			} else {
				at = &(*at).right
			}
		}
		if *at == nil {
			*at = &node{key: key}
		}
	}
	type visit struct {
		*node
		depth int
	}
	sum := 0
	for stack := []visit{{root, 1}}; len(stack) > 0; {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v.node != nil {
			sum += v.depth
			stack = append(stack, visit{v.left, v.depth + 1}, visit{v.right, v.depth + 1})
		}
	}
	return sum
}

// digest returns the SHA-256 of every step-th of n blocks, beginning with block k.
func digest(k, step, n int) []byte {
	block := []byte(strings.Repeat("a", 65536))
	h := sha256.New()
	for ; k < n; k += step {
		h.Write(block)
	}
	return h.Sum(nil)
}

func nativeKernel(n int) string { return hex.EncodeToString(digest(0, 1, n)) }

func parallelIntegers(workers, n int) int {
	sum := 0
	for k := range workers {
		for block := k; 1000*block < n; block += workers {
			sum += countPrimes(1000*block, min(1000*(block+1), n))
		}
	}
	return sum
}

func parallelNative(workers, n int) string {
	h := sha256.New()
	for k := range workers {
		h.Write(digest(k, workers, n))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestKernelsGiveKnownResults(t *testing.T) {
	for below, count := range map[int]int{2: 0, 3: 1, 1000: 168, 10000: 1229} {
		if got := countPrimes(0, below); got != count {
			t.Errorf("%d primes below %d, want %d", got, below, count)
		}
		for _, workers := range []int{1, 2, 3, 64} {
			if got := parallelIntegers(workers, below); got != count {
				t.Errorf("%d primes below %d in %d parts, want %d", got, below, workers, count)
			}
		}
	}
	// The first numbers of the generators are 171 and 172: the word is
	// SYLLABLES[11], [12] and [7], and the only node is the root.
	want := 0
	for _, c := range "peqiki=1" {
		want = (want*31 + int(c)) % 1000003
	}
	if got := textKernel(1); got != want {
		t.Errorf("text of 1 is %d, want %d", got, want)
	}
	// 29241*30307+29584, the second key, is above 171*30307+172, so it goes right.
	if one, two := objectsKernel(1), objectsKernel(2); one != 1 || two != 3 {
		t.Errorf("objects of 1 and 2 are %d and %d", one, two)
	}
	block := sha256.Sum256([]byte(strings.Repeat("a", 65536)))
	if got := nativeKernel(1); got != hex.EncodeToString(block[:]) {
		t.Errorf("native of 1 is %s", got)
	}
	nothing := sha256.Sum256(nil)
	parts := sha256.Sum256(slices.Concat(block[:], nothing[:]))
	if got := parallelNative(2, 1); got != hex.EncodeToString(parts[:]) {
		t.Errorf("native of 1 in 2 parts is %s", got)
	}
}
