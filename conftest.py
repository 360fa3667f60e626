"""Empty: that it lies here puts this folder on the import path, where tests share helpers
(`tests.fake_openai`), however the package itself is installed."""
