// go run .
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	subject  = "cascade.fashion"
	patience = time.Minute
)

type request struct {
	ID     string           `json:"id,omitempty"`
	Inputs map[string][]int `json:"inputs"`
}

// A failure is an answer as well, with an error in place of the label.
type answer struct {
	ID    string `json:"id"`
	Label *int   `json:"label"`
	Model string `json:"model"`
	Error *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (a answer) String() string {
	if a.Error != nil {
		log.Fatalf("%s: %s", a.Error.Code, a.Error.Message)
	}
	return fmt.Sprintf("label %d by %s", *a.Label, a.Model)
}

func main() {
	url := os.Getenv("NATS_URL")
	if url == "" {
		url = nats.DefaultURL
	}
	connection := must(nats.Connect(url))
	defer connection.Close()

	// One request, one answer; JSON is answered in JSON.
	message := must(connection.Request(subject+".infer", encode(image("", 0)), patience))
	fmt.Println("request:", decode(message.Data)[0])

	// The bytes of the image as they are. Such a body is answered in MessagePack unless Accept says otherwise.
	opaque := nats.NewMsg(subject + ".infer")
	opaque.Header.Set("Content-Type", "application/octet-stream")
	opaque.Header.Set("Accept", "application/json")
	opaque.Data = make([]byte, 28*28)
	fmt.Println("opaque:", decode(must(connection.RequestMsg(opaque, patience)).Data)[0])

	// A frame: several requests in one message. Each has an answer of its own.
	inbox := nats.NewInbox()
	answers := must(connection.SubscribeSync(inbox))
	frame := []request{image("grey-0", 0), image("grey-128", 128), image("grey-255", 255)}
	check(connection.PublishRequest(subject+".infer", inbox, encode(frame)))
	for _, each := range receive(answers, len(frame)) {
		fmt.Println("frame:", each.ID, each)
	}

	// Without a reply subject the answer goes to the results subject, here one with a name.
	results := must(connection.SubscribeSync(subject + ".results.go"))
	plain := nats.NewMsg(subject + ".infer")
	plain.Header.Set("Cascade-Results", "go")
	plain.Data = encode(image("go-1", 0))
	check(connection.PublishMsg(plain))
	for _, each := range receive(results, 1) {
		fmt.Println("results:", each.ID, each)
	}

	// Stored first, answered later, whatever crashes meanwhile. The same Nats-Msg-Id within two minutes is stored once.
	durable := nats.NewMsg(subject + ".durable")
	durable.Header.Set("Cascade-Results", "go")
	durable.Data = encode(image("go-2", 255))
	stored := must(must(jetstream.New(connection)).PublishMsg(context.Background(), durable, jetstream.WithMsgID(rand.Text())))
	for _, each := range receive(results, 1) {
		fmt.Printf("durable: %s, which %s has stored, %s\n", each.ID, stored.Stream, each)
	}
}

func image(id string, grey int) request {
	return request{ID: id, Inputs: map[string][]int{"image": slices.Repeat([]int{grey}, 28*28)}}
}

// Answers to a subscription, ordered by id.
func receive(subscription *nats.Subscription, count int) []answer {
	var all []answer
	for len(all) < count {
		all = append(all, decode(must(subscription.NextMsg(patience)).Data)...)
	}
	slices.SortFunc(all, func(a, b answer) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// An answer is a message; failures of one frame may come as a list.
func decode(data []byte) []answer {
	if !bytes.HasPrefix(data, []byte("[")) {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	var answers []answer
	check(json.Unmarshal(data, &answers))
	return answers
}

func encode(value any) []byte { return must(json.Marshal(value)) }

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
