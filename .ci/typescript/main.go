// Typescript writes what the TypeScript package has of the Go code rather than of the protos:
//
//	typescript FOLDER    writes error_details.binpb, the descriptors of google.rpc's error details, into the folder, for buf
//	typescript reasons   prints the reasons that errors may have
//	typescript digits    prints how many digits behind the point amounts of a currency have
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"lodge/api"
	"lodge/domain"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: typescript FOLDER | typescript reasons | typescript digits")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "reasons":
		printReasons()
		return
	case "digits":
		printDigits()
		return
	}
	if err := writeErrorDetails(filepath.Join(os.Args[1], "error_details.binpb")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func printReasons() {
	fmt.Println("// Made by .ci/generate of what the server knows. Do not edit.")
	fmt.Println("\n/** Why the platform refused something: the reason in ErrorInfo. A newer server may have more. */")
	fmt.Println("export const reasons = [")
	for _, reason := range api.Reasons() {
		fmt.Printf("  %q,\n", reason)
	}
	fmt.Println("] as const;")
	fmt.Println("\n/** One of the reasons that this version knows. */")
	fmt.Println("export type Reason = (typeof reasons)[number];")
}

func printDigits() {
	fmt.Println("// Made by .ci/generate of what the server knows. Do not edit.")
	fmt.Println("\n/** How many digits behind the point amounts of a currency have (ISO 4217), where these are not two. */")
	fmt.Println("export const minorDigits: Readonly<Record<string, number>> = {")
	code := []byte("AAA")
	for i := range 26 * 26 * 26 {
		code[0], code[1], code[2] = 'A'+byte(i/(26*26)), 'A'+byte(i/26%26), 'A'+byte(i%26)
		if digits := domain.MinorDigits(string(code)); digits != 2 {
			fmt.Printf("  %s: %d,\n", code, digits)
		}
	}
	fmt.Println("};")
}

func writeErrorDetails(name string) error {
	set := new(descriptorpb.FileDescriptorSet)
	withImports(errdetails.File_google_rpc_error_details_proto, set)
	data, err := proto.Marshal(set)
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// withImports adds a file behind those that it imports.
func withImports(file protoreflect.FileDescriptor, to *descriptorpb.FileDescriptorSet) {
	imports := file.Imports()
	for i := range imports.Len() {
		withImports(imports.Get(i).FileDescriptor, to)
	}
	to.File = append(to.File, protodesc.ToFileDescriptorProto(file))
}
