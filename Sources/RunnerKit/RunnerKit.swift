// Phases, gates and what stops a run are Runner's, results SampleModel's. Importing the kit imports
// them, and SamplerKit.
@_exported public import Runner
@_exported public import SamplerKit
