def check(record, report):
    pass
