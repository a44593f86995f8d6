// Worker: klauspost/reedsolomon with one goroutine and the Cauchy matrix, whose shards are those of
// ISA-L. It speaks the line protocol of ../c/line.h; operations: enc, dec, rep, upd. Called with the
// word `vectors` it makes the Cauchy lines of golden vectors on its input again (see vectors.go).
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/klauspost/reedsolomon"
	"golang.org/x/sys/unix"
)

const (
	arenaAlignment     = 2 << 20
	bytesBetweenClocks = 2 << 20
)

type request struct {
	op               string
	k, m, size       int
	stripes          int
	milliseconds     float64
	stripeBytes      int
	arenaBytes, lost int
}

func cpuNanoseconds() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return t.Nano()
}

func parse(line string) (request, error) {
	var r request
	_, err := fmt.Sscan(line, &r.op, &r.k, &r.m, &r.size, &r.stripes, &r.milliseconds)
	r.stripeBytes = (2*r.k + r.m) * r.size
	r.arenaBytes = r.stripeBytes * r.stripes
	r.lost = min(r.k, r.m)
	if r.op == "rep" {
		r.lost = 1
	}
	return r, err
}

// newArena gives random bytes that begin on a multiple of 2 MiB.
func newArena(size int) []byte {
	raw := make([]byte, size+arenaAlignment)
	past := int(uintptr(unsafe.Pointer(&raw[0])) % arenaAlignment)
	start := (arenaAlignment - past) % arenaAlignment
	arena := raw[start : start+size : start+size]
	x := uint64(88172645463325252)
	var word [8]byte
	for at := 0; at < size; at += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(word[:], x)
		copy(arena[at:], word[:])
	}
	return arena
}

// stripes cuts the arena: for each stripe its k + m shards, and the same with the spare shards in
// the places of those that count as lost.
func stripes(arena []byte, r request) (whole, damaged [][][]byte) {
	whole = make([][][]byte, r.stripes)
	damaged = make([][][]byte, r.stripes)
	for s := range whole {
		stripe := arena[s*r.stripeBytes:]
		shard := func(i int) []byte { return stripe[i*r.size : (i+1)*r.size : (i+1)*r.size] }
		for i := 0; i < r.k+r.m; i++ {
			whole[s] = append(whole[s], shard(i))
			if i < r.lost {
				damaged[s] = append(damaged[s], shard(r.k+r.m+i))
			} else {
				damaged[s] = append(damaged[s], shard(i))
			}
		}
	}
	return whole, damaged
}

func timed(r request, call func(stripe int) error) (iters int, nanoseconds int64, err error) {
	turns := 1 + bytesBetweenClocks/(r.k*r.size)
	stripe := 0
	begun := cpuNanoseconds()
	for nanoseconds < int64(r.milliseconds*1e6) {
		for turn := 0; turn < turns; turn++ {
			if err = call(stripe); err != nil {
				return iters, nanoseconds, err
			}
			stripe++
			if stripe == r.stripes {
				stripe = 0
			}
		}
		iters += turns
		nanoseconds = cpuNanoseconds() - begun
	}
	return iters, nanoseconds, nil
}

func measure(r request, arena []byte) error {
	code, err := reedsolomon.New(r.k, r.m,
		reedsolomon.WithMaxGoroutines(1), reedsolomon.WithCauchyMatrix())
	if err != nil {
		return err
	}
	whole, damaged := stripes(arena, r)
	for _, stripe := range whole {
		if err := code.Encode(stripe); err != nil {
			return err
		}
	}
	ok, counted := true, r.k*r.size
	iters, nanoseconds := 0, int64(1)
	switch r.op {
	case "enc":
		iters, nanoseconds, err = timed(r, func(s int) error { return code.Encode(whole[s]) })
	case "dec", "rep":
		iters, nanoseconds, err = timed(r, func(s int) error {
			for i := 0; i < r.lost; i++ {
				damaged[s][i] = damaged[s][i][:0]
			}
			return code.ReconstructData(damaged[s])
		})
		for i := 0; i < r.lost; i++ {
			ok = ok && bytes.Equal(damaged[0][i], whole[0][i])
		}
	case "upd":
		// Update makes old^new itself; the new shard is the first spare one.
		changed := make([][]byte, r.k)
		counted = r.size
		iters, nanoseconds, err = timed(r, func(s int) error {
			spare := s*r.stripeBytes + (r.k+r.m)*r.size
			changed[r.k/2] = arena[spare : spare+r.size]
			return code.Update(whole[s], changed)
		})
	}
	if err != nil {
		return err
	}
	fmt.Printf("{\"iters\":%d,\"bytes\":%d,\"ns\":%d,\"ok\":%v}\n", iters, counted, nanoseconds, ok)
	return nil
}

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) > 1 && os.Args[1] == "vectors" {
		remakeVectors()
		return
	}
	var arena []byte
	var kept request
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		r, err := parse(lines.Text())
		if err == nil {
			same := r.k == kept.k && r.m == kept.m && r.size == kept.size && r.stripes == kept.stripes
			// A single stripe is placed anew each time, see ../c/line.h.
			if arena == nil || !same || r.stripes == 1 {
				arena, kept = nil, r
				runtime.GC()
				arena = newArena(r.arenaBytes)
			}
			err = measure(r, arena)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "klauspost: %s: %v\n", lines.Text(), err)
			fmt.Println(`{"iters":0,"bytes":0,"ns":1,"ok":true}`)
		}
	}
}
