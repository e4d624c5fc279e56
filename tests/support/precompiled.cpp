// The precompiled header of all test programs belongs to the target of this file.
