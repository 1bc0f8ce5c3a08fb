"""How others lay datasets out, written: WebDataset, image folders, COCO, VOC, YOLO and Lance.

``tasks.load`` reads all of them but Lance.
"""
