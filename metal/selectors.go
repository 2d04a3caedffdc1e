package metal

// selectors are the messages that are sent, looked up once.
type selectors struct {
	alloc, new, release, initWithBytes, utf8String, localizedDescription selector

	name, supportsFamily, hasUnifiedMemory, recommendedMaxWorkingSetSize, currentAllocatedSize,
	maxBufferLength selector

	newCommandQueue, newBufferWithLength, newBufferWithBytesNoCopy, contents selector

	setFastMathEnabled, setLanguageVersion, newLibraryWithSource, newFunctionWithName,
	newComputePipelineState, maxTotalThreads, threadExecutionWidth selector

	commandBuffer, computeCommandEncoder, setPipeline, setBuffer, setBufferOffset, setBytes,
	dispatch, endEncoding, commit, waitUntilCompleted, status, err selector
}

func (s *selectors) all() map[string]*selector {
	return map[string]*selector{
		"alloc":                          &s.alloc,
		"new":                            &s.new,
		"release":                        &s.release,
		"initWithBytes:length:encoding:": &s.initWithBytes,
		"UTF8String":                     &s.utf8String,
		"localizedDescription":           &s.localizedDescription,
		"name":                           &s.name,
		"supportsFamily:":                &s.supportsFamily,
		"hasUnifiedMemory":               &s.hasUnifiedMemory,
		"recommendedMaxWorkingSetSize":   &s.recommendedMaxWorkingSetSize,
		"currentAllocatedSize":           &s.currentAllocatedSize,
		"maxBufferLength":                &s.maxBufferLength,
		"newCommandQueue":                &s.newCommandQueue,
		"newBufferWithLength:options:":   &s.newBufferWithLength,
		"newBufferWithBytesNoCopy:length:options:deallocator:": &s.newBufferWithBytesNoCopy,
		"contents":                                    &s.contents,
		"setFastMathEnabled:":                         &s.setFastMathEnabled,
		"setLanguageVersion:":                         &s.setLanguageVersion,
		"newLibraryWithSource:options:error:":         &s.newLibraryWithSource,
		"newFunctionWithName:":                        &s.newFunctionWithName,
		"newComputePipelineStateWithFunction:error:":  &s.newComputePipelineState,
		"maxTotalThreadsPerThreadgroup":               &s.maxTotalThreads,
		"threadExecutionWidth":                        &s.threadExecutionWidth,
		"commandBufferWithUnretainedReferences":       &s.commandBuffer,
		"computeCommandEncoder":                       &s.computeCommandEncoder,
		"setComputePipelineState:":                    &s.setPipeline,
		"setBuffer:offset:atIndex:":                   &s.setBuffer,
		"setBufferOffset:atIndex:":                    &s.setBufferOffset,
		"setBytes:length:atIndex:":                    &s.setBytes,
		"dispatchThreadgroups:threadsPerThreadgroup:": &s.dispatch,
		"endEncoding":                                 &s.endEncoding,
		"commit":                                      &s.commit,
		"waitUntilCompleted":                          &s.waitUntilCompleted,
		"status":                                      &s.status,
		"error":                                       &s.err,
	}
}
