"""The dock widget **ConStruct**."""
