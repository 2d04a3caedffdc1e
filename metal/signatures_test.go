package metal

import (
	"fmt"
	"strings"
	"testing"
)

// declarations are the methods that are used, as Apple's headers and
// documentation declare them; a property stands as its getter.
const declarations = `
@NSString
+ (instancetype)alloc
- (instancetype)initWithBytes:(const void *)bytes length:(NSUInteger)len encoding:(NSStringEncoding)encoding
- (const char *)UTF8String
- (void)release
@NSError
- (NSString *)localizedDescription
@MTLCompileOptions
+ (instancetype)new
- (void)setFastMathEnabled:(BOOL)fastMathEnabled
- (void)setLanguageVersion:(MTLLanguageVersion)languageVersion
- (void)release
@MTLDevice
- (NSString *)name
- (BOOL)supportsFamily:(MTLGPUFamily)gpuFamily
- (BOOL)hasUnifiedMemory
- (uint64_t)recommendedMaxWorkingSetSize
- (NSUInteger)currentAllocatedSize
- (NSUInteger)maxBufferLength
- (id<MTLCommandQueue>)newCommandQueue
- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options
- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void *)pointer length:(NSUInteger)length options:(MTLResourceOptions)options deallocator:(void (^)(void *pointer, NSUInteger length))deallocator
- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source options:(MTLCompileOptions *)options error:(NSError **)error
- (id<MTLComputePipelineState>)newComputePipelineStateWithFunction:(id<MTLFunction>)computeFunction error:(NSError **)error
- (void)release
@MTLLibrary
- (id<MTLFunction>)newFunctionWithName:(NSString *)functionName
- (void)release
@MTLFunction
- (void)release
@MTLComputePipelineState
- (NSUInteger)maxTotalThreadsPerThreadgroup
- (NSUInteger)threadExecutionWidth
- (void)release
@MTLBuffer
- (void *)contents
- (void)release
@MTLCommandQueue
- (id<MTLCommandBuffer>)commandBufferWithUnretainedReferences
- (void)release
@MTLCommandBuffer
- (id<MTLComputeCommandEncoder>)computeCommandEncoder
- (void)commit
- (void)waitUntilCompleted
- (MTLCommandBufferStatus)status
- (NSError *)error
@MTLComputeCommandEncoder
- (void)setComputePipelineState:(id<MTLComputePipelineState>)state
- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index
- (void)setBufferOffset:(NSUInteger)offset atIndex:(NSUInteger)index
- (void)setBytes:(const void *)bytes length:(NSUInteger)length atIndex:(NSUInteger)index
- (void)dispatchThreadgroups:(MTLSize)threadgroupsPerGrid threadsPerThreadgroup:(MTLSize)threadsPerThreadgroup
- (void)endEncoding
`

// signature is one declared method.
type signature struct {
	args    []kind
	classes []string // of arguments that are objects
	returns string   // class of the object it answers with, or ""
	owned   bool     // the object is the caller's
}

// words are the declared types that travel as an NSUInteger does.
var wordTypes = map[string]bool{"NSUInteger": true, "NSStringEncoding": true, "MTLLanguageVersion": true, "MTLGPUFamily": true,
	"MTLResourceOptions": true, "uint64_t": true, "MTLCommandBufferStatus": true}

// class is the class or protocol of a declared type, "" where it is no object.
func classOf(declared, receiver string) string {
	switch {
	case declared == "instancetype":
		return receiver
	case strings.HasPrefix(declared, "id<"):
		return strings.Trim(declared, "id<>")
	case strings.HasPrefix(declared, "NS") && strings.HasSuffix(declared, " *"), strings.HasPrefix(declared, "MTL") && strings.HasSuffix(declared, " *"):
		return strings.TrimSuffix(declared, " *")
	}
	return ""
}

func kindOf(declared string) (kind, error) {
	switch {
	case classOf(declared, "") != "":
		return kindObject, nil
	case wordTypes[declared]:
		return kindWord, nil
	}
	switch declared {
	case "BOOL":
		return kindBool, nil
	case "const void *", "void *", "void (^)(void *pointer, NSUInteger length)":
		return kindPointer, nil
	case "NSError **":
		return kindOut, nil
	case "MTLSize":
		return kindSize, nil
	}
	return 0, fmt.Errorf("type %q", declared)
}

// parenthesis cuts "(a(b)c)rest" into "a(b)c" and "rest".
func parenthesis(s string) (inside, rest string) {
	depth := 0
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// declared reads the declarations: class, then selector with a sign before it.
func declared() (map[string]map[string]signature, error) {
	out := map[string]map[string]signature{}
	class := ""
	for line := range strings.Lines(declarations) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case line[0] == '@':
			class = line[1:]
			out[class] = map[string]signature{}
			continue
		}
		returns, rest := parenthesis(line[2:])
		s := signature{returns: classOf(returns, class)}
		name := ""
		for rest != "" {
			part, argument, more := strings.Cut(rest, ":")
			name += part
			if !more {
				break
			}
			name += ":"
			var of string
			of, rest = parenthesis(argument)
			k, err := kindOf(of)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", line, err)
			}
			s.args, s.classes = append(s.args, k), append(s.classes, classOf(of, ""))
			_, rest, _ = strings.Cut(rest, " ")
		}
		s.owned = strings.HasPrefix(name, "new") || strings.HasPrefix(name, "alloc") || strings.HasPrefix(name, "init")
		out[class][line[:1]+name] = s
	}
	return out, nil
}

// Every message of ours is declared, and the declarations hold no others.
func TestSelectorsAreDeclared(t *testing.T) {
	all, err := declared()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, methods := range all {
		for name := range methods {
			known[name[1:]] = true
		}
	}
	sent := (&selectors{}).all()
	for name := range sent {
		if !known[name] {
			t.Errorf("%s is sent and declared nowhere", name)
		}
	}
	for name := range known {
		if sent[name] == nil {
			t.Errorf("%s is declared and never sent", name)
		}
	}
	if got := all["MTLDevice"]["-newBufferWithBytesNoCopy:length:options:deallocator:"]; fmt.Sprint(got) != "{[3 1 1 3] [   ] MTLBuffer true}" {
		t.Errorf("a declaration was read as %v", got)
	}
}
