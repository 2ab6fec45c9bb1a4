// Phases, gates and what stops a run are Runner's, results SampleModel's: whoever imports the kit
// gets them too, and can sample.
@_exported public import Runner
@_exported public import SamplerKit
