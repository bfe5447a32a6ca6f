// Go's net/http, driven by lines: method, URL, pause in ms, headers; see commands.py.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	failed := 0
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		pause, _ := strconv.Atoi(parts[2])
		time.Sleep(time.Duration(pause) * time.Millisecond)
		var body io.Reader
		if parts[0] == "POST" {
			body = strings.NewReader("text=hello")
		}
		request, err := http.NewRequest(parts[0], parts[1], body)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, header := range strings.Split(parts[3], "\x1f") {
			if name, value, found := strings.Cut(header, "\x1e"); found {
				request.Header.Set(name, value)
			}
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed++
			continue
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	if failed > 0 {
		os.Exit(1)
	}
}
